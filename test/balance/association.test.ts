import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { associate, storable } from '../../bench/balance/association.ts';
import { hasSamePixels } from '../support/accounting.ts';
import { countInstances } from '../support/farm.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { freePort } from '../support/ports.ts';
import { makeInstance, makeStudy } from '../support/synthetic.ts';

test('images go over one association, each acknowledged before the next, small and large', async () => {
  await using orthanc = await startOrthanc({ name: 'receiver' });
  const small = makeStudy({ seed: 'association', instances: 3 });
  // Larger than a PDU and than what a socket takes at once, and of odd pieces.
  const large = makeInstance({ seed: 'association-large', bytes: 3_000_001, studyUid: small.studyUid });
  const instances = [...small.instances, large];
  const { sopClass } = storable(large.file);
  const association = await associate(orthanc.dicomPort, { sopClass, callingAet: 'CT1' });
  for (const [number, { file }] of instances.entries()) {
    await association.store(storable(file));
    expect(await countInstances(orthanc)).toBe(number + 1);
  }
  await association.release();
  for (const instance of instances) expect(await hasSamePixels(orthanc, instance)).toBe(true);
});

test('an image that is refused, or whose association breaks, is an error', async () => {
  await using orthanc = await startOrthanc({ name: 'receiver' });
  const { file } = makeInstance({ seed: 'refused' });
  const { sopClass } = storable(file);
  const association = await associate(orthanc.dicomPort, { sopClass, callingAet: 'CT1' });
  // A modality, and no identifiers to keep it by.
  const nonsense = { sopClass, sopUid: '1.2.3', dataSet: Buffer.from('\x08\0\x60\0CS\x02\0CT', 'latin1') };
  await expect(association.store(nonsense)).rejects.toThrow('1.2.3 was not acknowledged');
  await expect(association.store(storable(file))).rejects.toThrow();

  const next = await associate(orthanc.dicomPort, { sopClass, callingAet: 'CT1' });
  const sent = orthanc.kill('SIGKILL').then(() => next.store(storable(file)));
  await expect(sent).rejects.toThrow();
});

test('who breaks off instead of taking an association is an error', async () => {
  const port = await freePort();
  const server = createServer((socket) => socket.destroy());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  try {
    await expect(associate(port, { sopClass: '1.2', callingAet: 'CT1' })).rejects.toThrow();
  } finally {
    server.close();
  }
});

test('the data set of a file begins where its header ends', () => {
  const instance = makeInstance({ seed: 'storable' });
  const { sopUid, sopClass, dataSet } = storable(instance.file);
  expect(sopUid).toBe(instance.sopUid);
  expect(sopClass).toBe('1.2.840.10008.5.1.4.1.1.2');
  expect(dataSet.readUInt16LE(0)).toBe(8);
  expect(() => storable(Buffer.alloc(100))).toThrow(RangeError);
});
