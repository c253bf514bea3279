import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { readDocument } from '../topology/document.ts';
import { formatPath, nearest, type Problem, TopologyError } from '../topology/problems.ts';
import { sentence } from '../topology/schema-sentences.ts';
import { systemCode, UserError } from '../user-error.ts';
import { namesOf } from './build.ts';
import { type ScenarioDocument, scenarioSchema } from './scenario-schema.ts';

export interface Scenario extends ScenarioDocument {
  readonly name: string;
}

const folder = join(import.meta.dirname, 'scenarios');

/** Those that come with the project, in alphabetical order. */
export function scenarioNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .toSorted();
}

/**
 * The scenario of that name, or of that file where it has a dot or a slash in it.
 *
 * @throws UserError with every mistake in the file at once.
 */
export function loadScenario(nameOrFile: string): Scenario {
  const isFile = /[./\\]/.test(nameOrFile);
  const known = isFile ? [] : scenarioNames();
  if (!isFile && !known.includes(nameOrFile)) {
    const meant = nearest(nameOrFile, known);
    throw new UserError(
      `There is no scenario ${nameOrFile}: ${meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`,
    );
  }
  const file = isFile ? nameOrFile : join(folder, `${nameOrFile}.yaml`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = systemCode(error) === 'ENOENT';
    throw new UserError(missing ? `There is no file ${file}.` : `${file} cannot be read: ${String(error)}`);
  }
  return parseScenario(basename(nameOrFile).replace(/\.ya?ml$/, ''), text, file);
}

/** As `loadScenario`, from text; `file` is for messages. */
export function parseScenario(name: string, text: string, file: string): Scenario {
  const source = readDocument(text, () => undefined);
  if (source.problems.length > 0) throw mistakes(file, source.problems);
  const problems: Problem[] = [];
  const report = (path: readonly PropertyKey[], message: string): void => {
    problems.push({ path: formatPath(path), line: source.lineOf(path), message });
  };
  const knownKeys = new Map<string, readonly string[]>();
  const result = scenarioSchema.safeParse(source.value ?? {}, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject) {
        knownKeys.set(formatPath(issue.path ?? []), Object.keys(issue.inst.shape));
      }
      return sentence(issue);
    },
  });
  for (const issue of result.error?.issues ?? []) {
    if (issue.code !== 'unrecognized_keys') {
      report(issue.path, issue.message);
      continue;
    }
    const known = knownKeys.get(formatPath(issue.path)) ?? [];
    for (const key of issue.keys) {
      const meant = nearest(key, known);
      report(
        [...issue.path, key],
        `is no key here: ${meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`,
      );
    }
  }
  if (result.success) checkNames(result.data, report);
  if (!result.success || problems.length > 0) {
    throw mistakes(
      file,
      problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  }
  return { name, ...result.data };
}

function checkNames(
  document: ScenarioDocument,
  report: (path: readonly PropertyKey[], message: string) => void,
): void {
  const known = new Set<string>();
  for (const [index, group] of document.backends.entries()) {
    for (const name of namesOf(group)) {
      if (known.has(name)) report(['backends', index, 'name'], `${name} is the name of another backend`);
      known.add(name);
    }
  }
  for (const [index, event] of document.events.entries()) {
    for (const [place, name] of (event.of ?? []).entries()) {
      if (known.has(name)) continue;
      const meant = nearest(name, [...known]);
      report(
        ['events', index, 'of', place],
        `there is no backend ${name}${meant === null ? '' : `: did you mean ${meant}?`}`,
      );
    }
    if (event.what === 'rotate' && event.count > (event.of?.length ?? known.size)) {
      report(['events', index, 'count'], 'is more than there are backends');
    }
  }
}

/** In the words and the form of the topology's mistakes. */
function mistakes(file: string, problems: readonly Problem[]): UserError {
  return new UserError(new TopologyError(file, problems).message);
}
