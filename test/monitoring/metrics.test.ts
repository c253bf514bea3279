import { expect, test, vi } from 'vitest';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { createMetrics } from '../../src/metrics.ts';
import { adminRig, rigTopology } from '../admin/rig.ts';

test('an evacuation shows while it runs, and what it has still to move', async () => {
  const admin = await adminRig();
  const { status } = await admin.ask('POST', '/backends/orthanc1/evacuation');
  expect(status).toBe(200);
  admin.ledger.noteEvacuation('orthanc1', { studies: 40, waiting: null }, admin.time.clock());
  const running = await admin.metrics();
  expect(running).toMatch(/^dde_backend_evacuating\{backend="orthanc1"\} 1$/m);
  expect(running).toMatch(/^dde_backend_evacuating\{backend="orthanc2"\} 0$/m);
  expect(running).toMatch(/^dde_evacuation_remaining_studies\{backend="orthanc1"\} 40$/m);

  await admin.ask('DELETE', '/backends/orthanc1/evacuation');
  const over = await admin.metrics();
  expect(over).toMatch(/^dde_backend_evacuating\{backend="orthanc1"\} 0$/m);
  expect(over).not.toContain('dde_evacuation_remaining_studies{');
});

test('the breaker of a backend shows, and a limit of its disk only where there is one', async () => {
  const admin = await adminRig();
  const fail = (): unknown =>
    admin.pool.transferFailed('orthanc1', 'send-failed', 'as this test wants it', admin.time.clock());
  fail();
  admin.time.advance(1_000);
  fail();
  const text = await admin.metrics();
  expect(text).toMatch(/^dde_backend_breaker_state\{backend="orthanc1",state="open"\} 1$/m);
  expect(text).toMatch(/^dde_backend_breaker_state\{backend="orthanc1",state="closed"\} 0$/m);
  expect(text).toMatch(/^dde_backend_breaker_state\{backend="orthanc2",state="closed"\} 1$/m);
  expect(text).not.toContain('dde_backend_disk_limit_bytes{');
  // Nothing was learnt yet: no figure, rather than that of the prior.
  expect(text).not.toContain('dde_backend_learnt_seconds_per_transfer{');
});

test('while the ledger gives no answer its figures are left out, and come back with it', async () => {
  const admin = await adminRig();
  expect(await admin.metrics()).toMatch(/^dde_queue_instances 0$/m);
  const silent = vi.spyOn(admin.ledger, 'queue').mockImplementation(() => {
    throw new LedgerError('full', 'no space');
  });
  const without = await admin.metrics();
  expect(without).toMatch(/^dde_ledger_usable 0$/m);
  expect(without).not.toMatch(/^dde_(queue|quarantined|instances)_\w+ \d/m);
  expect(without).toMatch(/^dde_backend_up\{backend="orthanc1"\} 1$/m);
  silent.mockRestore();
  expect(await admin.metrics()).toMatch(/^dde_queue_instances 0$/m);
});

test('what was measured of a backend goes with it, also what ended after it had left', async () => {
  const metrics = createMetrics();
  const admin = await adminRig(true, () => ({ registry: metrics.registry }));
  const measure = (backend: string): void => {
    metrics.transferSeconds.observe({ backend }, 1);
    metrics.proofDelaySeconds.observe({ backend }, 1);
    for (const outcome of ['done', 'send-failed']) metrics.transfers.inc({ backend, outcome });
    metrics.transferredInstances.inc({ backend }, 5);
    metrics.transferredBytes.inc({ backend }, 5000);
  };
  for (const backend of ['orthanc1', 'orthanc2']) measure(backend);
  metrics.placementDelaySeconds.observe({ kind: 'placed' }, 1);
  const before = await admin.metrics();
  expect(before).toContain('dde_transfer_duration_seconds_count{backend="orthanc2"} 1');
  admin.pool.configure(rigTopology.backends.filter(({ name }) => name !== 'orthanc2'));
  measure('orthanc2');
  const after = await admin.metrics();
  expect(after.split('\n').filter((line) => line.includes('"orthanc2"'))).toEqual([]);
  const of = (name: string, text: string) =>
    text.split('\n').filter((line) => line.includes(`backend="${name}"`) && line.startsWith('dde_transfer'));
  expect(of('orthanc1', after)).toEqual(of('orthanc1', before));
  expect(after).toContain('dde_placement_delay_seconds_count{kind="placed"} 1');

  // It comes again: counted from the beginning.
  admin.pool.configure(rigTopology.backends);
  measure('orthanc2');
  expect(await admin.metrics()).toContain('dde_transferred_instances_total{backend="orthanc2"} 5');
});
