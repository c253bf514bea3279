import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { freePort } from '../support/ports.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { folder } from './promtool.ts';

const sample = z.object({
  metric: z.record(z.string(), z.string()),
  value: z.tuple([z.number(), z.string()]),
});
const answers = {
  query: z.object({ status: z.literal('success'), data: z.object({ result: z.array(sample) }) }),
  targets: z.object({
    data: z.object({
      activeTargets: z.array(z.object({ health: z.string(), lastError: z.string() })),
    }),
  }),
  rules: z.object({
    data: z.object({
      groups: z.array(
        z.object({ rules: z.array(z.object({ name: z.string(), health: z.string(), state: z.string() })) }),
      ),
    }),
  }),
};

export interface Prometheus extends AsyncDisposable {
  /** Result of a query now. @throws Error with Prometheus' own words when it is none. */
  query(expr: string): Promise<readonly z.output<typeof sample>[]>;
  targets(): Promise<readonly { readonly health: string; readonly lastError: string }[]>;
  rules(): Promise<readonly { readonly name: string; readonly health: string; readonly state: string }[]>;
}

/**
 * A real Prometheus with monitoring/prometheus.yml as it is, but for the address, and every second. Its storage is in a folder of its
 * own, and it ends with this process.
 */
export async function startPrometheus(target: string, token: string): Promise<Prometheus> {
  const dir = await tempDir('prometheus');
  const port = await freePort();
  const config = z
    .looseObject({ global: z.object({}), scrape_configs: z.array(z.looseObject({})).length(1) })
    .parse(parse(readFileSync(join(folder, 'prometheus.yml'), 'utf8')));
  await copyFile(join(folder, 'alerts.yml'), join(dir.path, 'alerts.yml'));
  await writeFile(join(dir.path, 'prometheus.token'), `${token}\n`);
  await writeFile(
    join(dir.path, 'prometheus.yml'),
    stringify({
      ...config,
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      scrape_configs: config.scrape_configs.map((job) => ({
        ...job,
        static_configs: [{ targets: [target] }],
      })),
    }),
  );
  const args = [
    '--config.file=prometheus.yml',
    `--storage.tsdb.path=${join(dir.path, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'prometheus', ...args], {
    cwd: dir.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (some: string) => (said += some));
  const closed = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await closed;
    await dir.remove();
  };
  const ask = async <T>(path: string, schema: z.ZodType<T>): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const body: unknown = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return schema.parse(body);
  };
  try {
    await until(
      async () => {
        if (child.exitCode !== null) throw new Error(said);
        return (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok;
      },
      { what: 'Prometheus to be ready', timeoutMs: 20_000 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    query: async (expr) => (await ask(`query?query=${encodeURIComponent(expr)}`, answers.query)).data.result,
    targets: async () => (await ask('targets', answers.targets)).data.activeTargets,
    rules: async () => (await ask('rules', answers.rules)).data.groups.flatMap(({ rules }) => rules),
    [Symbol.asyncDispose]: stop,
  };
}
