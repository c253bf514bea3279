import type * as z from 'zod';

/** A sentence for each mistake that a schema above does not word itself. */
export function sentence(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined)
        return `is missing: it must be ${nouns[issue.expected] ?? issue.expected}`;
      return `must be ${nouns[issue.expected] ?? issue.expected}, not ${shown(issue.input)}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(', ')}, not ${shown(issue.input)}`;
    case 'too_small':
      if (issue.origin === 'array') return 'must have at least one entry';
      if (issue.origin === 'string') return 'must not be empty';
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}, not ${shown(issue.input)}`;
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}, not ${shown(issue.input)}`;
    default:
      return undefined;
  }
}

const nouns: Readonly<Record<string, string>> = {
  boolean: 'true or false',
  string: 'text (in quotes where it looks like a number)',
  number: 'a number',
  int: 'a whole number',
  array: 'a list, each entry beginning with "-"',
  object: 'keys and values',
};

function shown(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'keys and values';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${text.length > 60 ? `${text.slice(0, 60)}…` : text}"`;
}
