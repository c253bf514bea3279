import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../../test/support/ports.ts';
import { tempDir } from '../../../test/support/temp.ts';
import { until } from '../../../test/support/wait.ts';
import type { Contender } from './contender.ts';
import { startBackend, stopAll } from './orthancs.ts';

/** Associations spread over the backends by a proxy that knows nothing of DICOM: fast, and a study sent over several is split. */
export const haproxy: Contender = {
  name: 'haproxy',
  letter: 'b',
  title: 'HAProxy, leastconn, TCP',
  share: 1,
  warmUps: 1,
  keepsStudiesWhole: false,
  async start() {
    const dir = await tempDir('haproxy');
    const backends = await Promise.all([startBackend('orthanc1'), startBackend('orthanc2')]);
    const port = await freePort();
    const file = join(dir.path, 'haproxy.cfg');
    const servers = backends.map(({ name, dicomPort }) => `  server ${name} 127.0.0.1:${dicomPort}`);
    await writeFile(
      file,
      `global
  maxconn 256
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen dicom
  bind 127.0.0.1:${port}
  balance leastconn
${servers.join('\n')}
`,
    );
    const proxy = spawn('setpriv', ['--pdeathsig', 'KILL', 'haproxy', '-db', '-q', '-f', file], {
      stdio: 'ignore',
      // Debian has it in a folder that is in the PATH of root alone.
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    const stop = async (): Promise<void> => {
      await ended(proxy);
      await stopAll(backends);
      await dir.remove();
    };
    try {
      await until(() => listens(port), { what: 'HAProxy to listen' });
    } catch (error) {
      await stop();
      throw error;
    }
    return {
      dicomPort: port,
      backends,
      front: null,
      pids: { front: [proxy.pid ?? 0], service: [], backends: backends.map(({ pid }) => pid) },
      provenAt: () => Promise.resolve(null),
      [Symbol.asyncDispose]: stop,
    };
  },
};

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
