import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadTopology } from '../../src/topology/load.ts';
import { tempDir } from '../support/temp.ts';
import { promtool } from './promtool.ts';

/*
 * No container is run here: what can be known without one is that the files fit each other, the project, and what
 * Prometheus makes of its configuration.
 */

const project = join(import.meta.dirname, '../..');
const folder = 'monitoring/compose';
const read = (file: string): string => readFileSync(join(project, file), 'utf8');
const yaml = <T>(file: string, schema: z.ZodType<T>): T => schema.parse(parse(read(file), { merge: true }));

const composeSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      build: z.string().optional(),
      environment: z.record(z.string(), z.string()).default({}),
      secrets: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      ports: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
});
const farm = yaml('docker-compose.yml', composeSchema);
const beside = yaml(`${folder}/docker-compose.yml`, composeSchema);

/** What a service of it mounts, by the path in its container. */
function mounted(name: string): ReadonlyMap<string, string> {
  const volumes = beside.services[name]?.volumes ?? [];
  return new Map(volumes.map((volume) => volume.split(':')).map(([from = '', to = '']) => [to, from]));
}

test('every file that is mounted is there, every volume and secret declared, and images have versions', () => {
  for (const [name, { image, volumes, secrets, environment }] of Object.entries(beside.services)) {
    expect(image).toMatch(/^[\w/-]+:v?\d+\.\d+\.\d+$/);
    for (const volume of volumes) {
      const [from = '', , mode] = volume.split(':');
      if (!from.startsWith('./')) expect(Object.keys(beside.volumes)).toContain(from);
      else {
        expect({ volume, isThere: existsSync(join(project, from)) }).toEqual({ volume, isThere: true });
        expect(mode).toBe('ro');
      }
    }
    for (const secret of secrets)
      expect(beside.secrets[secret]).toEqual({ file: `./.dde/compose/${secret}` });
    for (const value of Object.values(environment)) {
      const [, secret] = /^\/run\/secrets\/(.+)$/.exec(value) ?? [];
      if (secret !== undefined) expect(beside.services[name]?.secrets).toContain(secret);
    }
  }
  expect(read(`${folder}/docker-compose.yml`)).not.toMatch(/(PASSWORD|TOKEN) *[:=] *[^ {\n]/);
});

test('beside the farm it takes no name, port, volume or secret that the farm has', () => {
  const both = [farm, beside];
  const ports = both.flatMap(({ services }) =>
    Object.values(services).flatMap((service) => service.ports.map((port) => port.split(':').at(-2))),
  );
  expect(new Set(ports).size).toBe(ports.length);
  for (const part of ['services', 'volumes', 'secrets'] as const) {
    const names = both.flatMap((file) => Object.keys(file[part]));
    expect(new Set(names).size).toBe(names.length);
  }
  // What is no DICOM is for this machine alone.
  for (const { ports: own } of Object.values(beside.services))
    for (const port of own) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('Prometheus takes the configuration and the rules as they are mounted, and scrapes the service', async () => {
  const at = mounted('prometheus');
  const config = at.get('/etc/prometheus/prometheus.yml') ?? '';
  const text = read(config);
  const secret = '/run/secrets/DDE_PROMETHEUS_TOKEN';
  expect(beside.services['prometheus']?.secrets).toEqual(['DDE_PROMETHEUS_TOKEN']);
  expect(text).toContain(`credentials_file: ${secret}`);
  await using dir = await tempDir('prometheus');
  const token = join(dir.path, 'token');
  await writeFile(token, 'x');
  await writeFile(join(dir.path, 'prometheus.yml'), text.replace(secret, token));
  await writeFile(join(dir.path, 'alerts.yml'), read(at.get('/etc/prometheus/alerts.yml') ?? ''));
  const { code, said } = promtool(['check', 'config', join(dir.path, 'prometheus.yml')]);
  expect(code, said).toBe(0);
  expect(said).toContain('is valid prometheus config file syntax');
  expect(said).toMatch(/SUCCESS: \d+ rules found/);

  const jobs = z.object({
    scrape_configs: z.array(
      z.object({
        job_name: z.string(),
        static_configs: z.array(z.object({ targets: z.array(z.string()) })),
      }),
    ),
  });
  const { port } = loadTopology(join(project, 'orthanc-config/topology.yaml'), {}, 'generate').service;
  expect(yaml(config, jobs).scrape_configs).toMatchObject([
    { job_name: 'dde', static_configs: [{ targets: [`service:${port}`] }] },
  ]);
  expect(Object.keys(farm.services)).toContain('service');
});

test('Grafana finds that Prometheus, and the dashboard', () => {
  const at = mounted('grafana');
  const sources = z.object({
    datasources: z.array(z.object({ type: z.string(), url: z.string(), isDefault: z.boolean() })),
  });
  const { datasources } = yaml(at.get('/etc/grafana/provisioning/datasources/dde.yml') ?? '', sources);
  expect(datasources).toEqual([{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }]);
  expect(beside.services['prometheus']?.ports).toEqual(['127.0.0.1:9090:9090']);
  const providers = z.object({
    providers: z.array(z.object({ options: z.object({ path: z.string() }) })),
  });
  const provided = yaml(at.get('/etc/grafana/provisioning/dashboards/dde.yml') ?? '', providers);
  const [path = ''] = provided.providers.map(({ options }) => options.path);
  expect(at.get(`${path}/dde.json`)).toBe('./monitoring/grafana-dashboard.json');
  // It chooses its source by a variable: the default one when it is provisioned.
  const dashboard = z.object({
    templating: z.object({
      list: z.array(z.object({ name: z.string(), type: z.string(), query: z.unknown() })),
    }),
  });
  const { templating } = dashboard.parse(JSON.parse(read('monitoring/grafana-dashboard.json')));
  expect(templating.list.find(({ type }) => type === 'datasource')).toMatchObject({
    name: 'datasource',
    query: 'prometheus',
  });
});
