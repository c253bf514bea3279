import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

export const folder = join(import.meta.dirname, '../../monitoring');

/** Runs Debian's promtool in the folder of the monitoring files. */
export function promtool(args: readonly string[], input?: string): { code: number | null; said: string } {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, {
    cwd: folder,
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
  });
  if (error !== undefined) throw new Error('promtool is missing: "apt-get install prometheus" brings it');
  return { code: status, said: stdout + stderr };
}

const alertSchema = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
});

/** Every rule of alerts.yml; that it is an alert with all that whoever gets it needs is checked in passing. */
export function alerts(): readonly z.output<typeof alertSchema>[] {
  const file = z.object({ groups: z.array(z.object({ rules: z.array(alertSchema) })) });
  return file.parse(parse(readFileSync(join(folder, 'alerts.yml'), 'utf8'))).groups.flatMap((g) => g.rules);
}

const panelSchema = z.object({
  id: z.number(),
  type: z.string(),
  title: z.string().min(1),
  description: z.string().optional(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  datasource: z.object({ uid: z.string() }).optional(),
  fieldConfig: z.object({ defaults: z.object({ unit: z.string() }) }).optional(),
  targets: z
    .array(z.object({ refId: z.string(), expr: z.string(), datasource: z.object({ uid: z.string() }) }))
    .default([]),
});
export type Panel = z.output<typeof panelSchema>;

const variableSchema = z.object({ name: z.string(), type: z.string(), definition: z.string().optional() });

export function dashboard() {
  const schema = z.object({
    uid: z.string(),
    panels: z.array(panelSchema),
    templating: z.object({ list: z.array(variableSchema) }),
    annotations: z.object({ list: z.array(z.object({ expr: z.string().optional() })) }),
  });
  return schema.parse(JSON.parse(readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8')));
}

/** As Grafana asks it when nothing is chosen, with a window that a test has the time for. */
export function asAsked(expr: string): string {
  return expr.replaceAll('$__rate_interval', '30s').replaceAll(/\$(instance|backend)\b/g, '.*');
}

/** The names of all metrics in a query: whatever is no word of PromQL, no label and no text. */
export function metricsIn(expr: string): readonly string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\b(?:by|on|without|ignoring)\s*\([^)]*\)/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\boffset\s+\w+/g, '');
  const words = [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\w*\s*\()/g)].map(([word]) => word);
  return [...new Set(words)].filter((word) => !/^(and|or|unless|e\d+)$/.test(word));
}
