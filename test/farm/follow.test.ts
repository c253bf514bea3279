import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePorts } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { type FarmFolder, farmFolder } from './farm-process.ts';

interface Entry {
  name: string;
  url: string;
  password: object;
  run?: { httpPort: number; dicomPort: number; aeTitle: string };
}

async function editBackends(farm: FarmFolder, edit: (backends: Entry[]) => Entry[]): Promise<void> {
  const document = parse(await readFile(farm.topologyFile, 'utf8')) as { backends: Entry[] };
  await writeFile(farm.topologyFile, stringify({ ...document, backends: edit(document.backends) }));
}

const entry = (name: string, httpPort: number, dicomPort: number): Entry => ({
  name,
  url: `http://127.0.0.1:${httpPort}`,
  password: { env: 'DDE_ORTHANC3_PASSWORD', default: 'orthanc' },
  run: { httpPort, dicomPort, aeTitle: name.toUpperCase() },
});

const namesOf = async (farm: FarmFolder): Promise<string[]> =>
  (await farm.processes()).map(({ name }) => name).toSorted();

test('a farm that runs starts a backend that is added to the topology, moves it, and stops it when it is gone', async () => {
  await using farm = await farmFolder();
  const up = farm.dde(['up']);
  await up.said('Ctrl-C stops everything');
  const token = (await readFile(join(farm.home, 'admin-token'), 'utf8')).trim();
  const healthOf = async (name: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${farm.port.service}/api/v1/backends/${name}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return ((await answer.json()) as { health?: string }).health ?? '';
  };
  const untilUp = (): Promise<unknown> =>
    until(async () => (await healthOf('orthanc3')) === 'up', { what: 'orthanc3 to be up for the service' });
  const [http = 0, dicom = 0, otherHttp = 0] = await freePorts(3);

  // Somebody else has its port: said, and nothing else suffers.
  // It hangs up at once: what holds on to a connection could not be closed.
  const holder = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => holder.listen({ port: http, host: '127.0.0.1' }, resolve));
  await editBackends(farm, (backends) => [...backends, entry('orthanc3', http, dicom)]);
  await up.said(new RegExp(`orthanc3 is not started: .*${http} \\(orthanc3, HTTP\\) is in use by`));
  expect(await namesOf(farm)).not.toContain('orthanc3');
  await new Promise((resolve) => holder.close(resolve));

  await appendFile(farm.topologyFile, '\n');
  await up.said(/orthanc3 answers \(/);
  await untilUp();

  await editBackends(farm, (backends) =>
    backends.map((one) => (one.name === 'orthanc3' ? entry('orthanc3', otherHttp, dicom) : one)),
  );
  await up.said('orthanc3 is started anew');
  await until(async () => (await fetch(`http://127.0.0.1:${otherHttp}/system`)).status === 401, {
    what: 'orthanc3 to answer at its other port',
  });
  await untilUp();

  const others = (await farm.processes()).filter(({ name }) => name !== 'orthanc3');
  await editBackends(farm, (backends) => backends.filter(({ name }) => name !== 'orthanc3'));
  await up.said('orthanc3 is stopped: the topology no longer has the farm run it');
  await until(async () => !(await namesOf(farm)).includes('orthanc3'), { what: 'orthanc3 to be gone' });
  expect(await farm.processes()).toEqual(others);

  up.signal('SIGTERM');
  expect(await up.ended()).toBe(0);
  expect(await farm.processes()).toEqual([]);
});
