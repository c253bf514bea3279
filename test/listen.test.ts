import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../src/listen.ts';
import { silentLogger } from '../src/log.ts';
import { makeCertificate } from './support/certificates.ts';
import { tempDir } from './support/temp.ts';

test('a handshake that somebody began and does not go on with holds up no end', async () => {
  const folder = await tempDir('listen');
  onTestFinished(() => folder.remove());
  const tls = await makeCertificate(folder.path, 'own', ['IP:127.0.0.1']);
  const listener = await listen({
    service: { listen: '127.0.0.1', port: 0, url: 'https://127.0.0.1', tls },
    serve: (_request, response) => response.end(),
    isForOwnMachine: () => false,
    log: silentLogger(),
  });
  const socket = connect(listener.port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  const cut = new Promise<void>((resolve) => {
    socket.once('close', () => resolve()).on('error', () => undefined);
  });
  await once(socket, 'connect');
  // The first bytes of a TLS record, after which its greeting would come.
  socket.write(Buffer.from([22, 3, 1, 2, 0]));
  const other = connect(listener.port, '127.0.0.1').on('error', () => undefined);
  await once(other, 'connect');
  other.end('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
  // Answered after the first one was taken in.
  await once(other.resume(), 'close');
  await listener.close();
  await cut;
  expect(socket.destroyed).toBe(true);
}, 10_000);
