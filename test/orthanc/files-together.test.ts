import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { type OrthancProcess, orthancAtLeast, startOrthanc } from '../support/orthanc-process.ts';
import { makeStudy, type SyntheticInstance } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';

const UNKNOWN = '00000000-00000000-00000000-00000000-00000000';
const idsOf = (instances: readonly SyntheticInstance[]): string[] =>
  instances.map(({ orthancId }) => orthancId);
const sopUidsOf = (instances: readonly SyntheticInstance[]): Map<string, string> =>
  new Map(instances.map(({ orthancId, sopUid }) => [orthancId, sopUid]));
const md5sOf = (instances: readonly SyntheticInstance[]): Map<string, string> =>
  new Map(instances.map(({ orthancId, md5 }) => [orthancId, md5]));

/** Whatever version is installed: one question for all, or one for each. */
describe('a real Orthanc that is told the SOPInstanceUIDs', () => {
  let orthanc: OrthancProcess;
  let client: Orthanc;
  beforeAll(async () => {
    orthanc = await startOrthanc();
    client = createOrthanc({
      name: 'SUT',
      url: orthanc.url,
      username: orthanc.username,
      password: orthanc.password,
      requestTimeoutMs: 10_000,
    });
  });
  afterAll(async () => {
    client?.close();
    await orthanc?.stop();
  });

  it('answers a search as is written down below for its version', async () => {
    const { instances } = makeStudy({ seed: 'search', instances: 3 });
    for (const { file } of instances) await client.upload(file);
    const query = {
      Level: 'Instance',
      Query: { SOPInstanceUID: instances.map(({ sopUid }) => sopUid).join('\\') },
      ResponseContent: ['Attachments'],
    };
    const answer = await orthanc.fetch('/tools/find', { method: 'POST', body: JSON.stringify(query) });
    const found: unknown = await answer.json();
    const expected = orthancAtLeast('1.12.7')
      ? instances.map(({ orthancId, md5, file }) => ({
          ID: orthancId,
          Attachments: [{ ContentType: 1, UncompressedMD5: md5, UncompressedSize: file.length }],
        }))
      : idsOf(instances);
    expect(found).toHaveLength(3);
    for (const one of expected)
      expect(found).toContainEqual(
        typeof one === 'string'
          ? one
          : expect.objectContaining({
              ...one,
              Attachments: one.Attachments.map((file) => expect.objectContaining(file)),
            }),
      );
  });

  it('says of each file what it says without them', async () => {
    const { instances } = makeStudy({ seed: 'together', instances: 12, series: 2 });
    for (const { file } of instances) await client.upload(file);
    const ids = [...idsOf(instances), UNKNOWN];
    const sopUids = sopUidsOf(instances).set(UNKNOWN, '2.25.1');
    const held = await client.held(ids, { sopUids });
    expect(held).toEqual(await client.held(ids));
    expect(new Map([...held].map(([id, { md5 }]) => [id, md5]))).toEqual(md5sOf(instances));
    expect(await client.md5s(ids, { sopUids })).toEqual(new Map([...md5sOf(instances), [UNKNOWN, null]]));
  });

  it('does not take the image of one study for that of another with the same UIDs', async () => {
    const study = { seed: 'same-uids', instances: 3 };
    const one = makeStudy({ ...study, patientId: 'ONE' }).instances;
    const other = makeStudy({ ...study, patientId: 'OTHER' }).instances;
    expect(one.map(({ sopUid }) => sopUid)).toEqual(other.map(({ sopUid }) => sopUid));
    for (const { file } of one) await client.upload(file);
    const asked = { sopUids: sopUidsOf(other) };
    expect((await client.held(idsOf(other), asked)).size).toBe(0);
    for (const { file } of other) await client.upload(file);
    expect(await client.md5s(idsOf(other), asked)).toEqual(md5sOf(other));
  });

  it('is not asked for everything by a UID that is a pattern', async () => {
    const { instances } = makeStudy({ seed: 'patterns', instances: 4 });
    for (const { file } of instances) await client.upload(file);
    const sopUids = new Map(idsOf(instances).map((id) => [id, '*']));
    expect(await client.md5s(idsOf(instances), { sopUids })).toEqual(md5sOf(instances));
  });
});

it('an Orthanc that records no MD5 has its files read, whoever asked for how many', async () => {
  await using orthanc = await startOrthanc({ config: { StoreMD5ForAttachments: false } });
  const { url, username, password } = orthanc;
  const client = createOrthanc({ name: 'SUT', url, username, password, requestTimeoutMs: 10_000 });
  try {
    const { instances } = makeStudy({ seed: 'no-md5', instances: 4 });
    for (const { file } of instances) await client.upload(file);
    const options = { sopUids: sopUidsOf(instances) };
    expect(await client.md5s(idsOf(instances), options)).toEqual(md5sOf(instances));
    const held = await client.held(idsOf(instances), options);
    expect(new Map([...held].map(([id, { md5 }]) => [id, md5]))).toEqual(md5sOf(instances));
  } finally {
    client.close();
  }
});

/** What Orthancs of other versions and settings answer; the answers of 1.12.7 and 1.10.1 were written down from those. */
describe('an Orthanc that answers a search with', () => {
  const { instances } = makeStudy({ seed: 'answers', instances: 5 });
  const ids = idsOf(instances);
  const options = { sopUids: sopUidsOf(instances) };
  const fileOf = ({ md5, file }: SyntheticInstance, ContentType = 1) => ({
    ContentType,
    CompressedMD5: md5,
    CompressedSize: file.length,
    UncompressedMD5: md5,
    UncompressedSize: file.length,
    Uuid: '188b097d-3c13-49a8-9248-2f087bf3a168',
  });
  const found = (some: readonly SyntheticInstance[]): string =>
    JSON.stringify(
      some.map((one) => ({
        Attachments: [{ ...fileOf(one, 3), UncompressedMD5: '0'.repeat(32) }, fileOf(one)],
        ID: one.orthancId,
        Type: 'Instance',
      })),
    );

  /** `search`: the answer to a search; null: none. What is asked about by itself is answered as every version does. */
  async function served(search: () => { status?: number; body: string } | null, requestTimeoutMs = 30_000) {
    const asked: string[] = [];
    const queries: unknown[] = [];
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      asked.push(path.startsWith('/tools') ? path : path.replace(/^.*\//, ''));
      if (path !== '/tools/find') {
        const one = instances.find(({ orthancId }) => path.includes(orthancId));
        const answer = one === undefined ? '' : path.endsWith('/md5') ? one.md5 : JSON.stringify(fileOf(one));
        response.end(answer);
        return;
      }
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        queries.push(JSON.parse(Buffer.concat(pieces).toString()));
        const answer = search();
        if (answer === null) return;
        response.statusCode = answer.status ?? 200;
        response.end(answer.body);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const client = createOrthanc({
      name: 'SUT',
      url: `http://127.0.0.1:${address.port}`,
      username: 'orthanc',
      password: 'orthanc',
      requestTimeoutMs,
    });
    return {
      client,
      asked,
      queries,
      async [Symbol.asyncDispose]() {
        client.close();
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  }

  it('all files is asked once for all', async () => {
    await using able = await served(() => ({ body: found(instances) }));
    const { client, asked, queries } = able;
    expect(await client.md5s(ids, options)).toEqual(md5sOf(instances));
    expect(new Map([...(await client.held(ids, options))].map(([id, { bytes }]) => [id, bytes]))).toEqual(
      new Map(instances.map(({ orthancId, file }) => [orthancId, file.length])),
    );
    expect(asked).toEqual(['/tools/find', '/tools/find']);
    expect(queries[0]).toEqual({
      Level: 'Instance',
      Query: { SOPInstanceUID: instances.map(({ sopUid }) => sopUid).join('\\') },
      ResponseContent: ['Attachments'],
    });
  });

  it('some of them only, as one does that limits its answers, is asked about each of the others', async () => {
    await using limited = await served(() => ({ body: found(instances.slice(1, 3)) }));
    expect(await limited.client.md5s(ids, options)).toEqual(md5sOf(instances));
    expect(limited.asked).toEqual(['/tools/find', 'md5', 'md5', 'md5']);
  });

  it('nothing more than identifiers, an error or nonsense is asked about each, and not searched again', async () => {
    for (const answer of [
      { body: JSON.stringify(ids) },
      { status: 403, body: '' },
      { status: 500, body: '{"HttpStatus":500,"OrthancStatus":0,"Message":"Internal error"}' },
      { body: '{"not":"a list"}' },
    ]) {
      await using old = await served(() => answer);
      for (let round = 0; round < 3; round++)
        expect(await old.client.md5s(ids, options)).toEqual(md5sOf(instances));
      expect(old.asked).toEqual(['/tools/find', ...Array.from({ length: 15 }, () => 'md5')]);
    }
  });

  it('silence is asked about each in time, and searched by again after a while: it may be another version by then', async () => {
    let isSilent = true;
    await using silent = await served(() => (isSilent ? null : { body: found(instances) }), 3_000);
    const { client, asked } = silent;
    expect(await client.md5s(ids, options)).toEqual(md5sOf(instances));
    isSilent = false;
    for (let round = 0; round < 1_000; round++) await client.md5s(ids, options);
    expect(asked.filter((path) => path === '/tools/find')).toHaveLength(1);
    expect(await client.md5s(ids, options)).toEqual(md5sOf(instances));
    expect(asked.at(-1)).toBe('/tools/find');
  });

  it('silence is left at once when the caller gives up, who is not kept from single questions the next time', async () => {
    await using silent = await served(() => null);
    const giveUp = new AbortController();
    const answer = silent.client.md5s(ids, { ...options, signal: giveUp.signal });
    const refused = expect(answer).rejects.toMatchObject({ code: 'timeout' });
    await until(() => silent.asked.length > 0, { what: 'the search' });
    giveUp.abort();
    await refused;
    expect(await silent.client.md5s(ids, options)).toEqual(md5sOf(instances));
    expect(silent.asked.filter((path) => path === '/tools/find')).toHaveLength(1);
  });
});
