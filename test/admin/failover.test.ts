import { describe, expect, test } from 'vitest';
import {
  auditAnswer,
  evacuationAnswer,
  formerCopiesAnswer,
  quarantineAnswer,
  reboundAnswer,
} from '../../src/admin/failover-schemas.ts';
import {
  backendAnswer,
  decisionsAnswer,
  listOf,
  pageOf,
  problemAnswer,
  queueAnswer,
  studyAnswer,
  totalsAnswer,
} from '../../src/admin/schemas.ts';
import type { DeliveryOutcome } from '../../src/study.ts';
import { arrival } from '../backends/rig.ts';
import { claimed, concludeAll, placing, proven } from '../ledger/driving.ts';
import { type AdminRig, adminRig } from './rig.ts';

/** A study of one instance on the front, bound to orthanc1. Answers the instance. */
function place(admin: AdminRig, studyUid: string) {
  const instance = arrival(studyUid);
  admin.ledger.received(instance, admin.time.clock());
  admin.ledger.decide(placing('orthanc1', { studyUid, at: admin.time.clock() }));
  return instance;
}

/** The same, delivered and let go of by the front. */
function deliver(admin: AdminRig, studyUid: string) {
  const instance = place(admin, studyUid);
  const now = admin.time.clock();
  concludeAll(admin.ledger, claimed(admin.ledger, 'orthanc1', now), proven, now);
  admin.ledger.beginRemoval(studyUid, now + 1, now);
  admin.ledger.removed('front', [instance.orthancId], now);
  return instance;
}

function quarantine(admin: AdminRig, studyUid: string, code: 'conflict' | 'refused' | 'unreadable') {
  const instance = place(admin, studyUid);
  const now = admin.time.clock();
  const outcome: DeliveryOutcome = { kind: 'quarantine', code, detail: `because of ${code}` };
  concludeAll(admin.ledger, claimed(admin.ledger, 'orthanc1', now), outcome, now);
  return instance;
}

async function trail(admin: AdminRig): Promise<string[]> {
  const { items } = await admin.get('/audit', pageOf(auditAnswer));
  return items.map(({ who, action, target }) => `${who} ${action} ${target}`);
}

function problemOf({ status, body }: { status: number; body: unknown }): readonly [number, string] {
  return [status, problemAnswer.parse(body).type.replace('urn:dde:problem:', '')];
}

describe('a study is bound anew', () => {
  test('to the named backend, to the best one, and never where it is', async () => {
    const admin = await adminRig();
    place(admin, '1.2.3');
    const answer = await admin.ask('POST', '/studies/1.2.3/rebind', { backend: 'orthanc3' });
    expect(reboundAnswer.parse(answer.body)).toMatchObject({ backend: 'orthanc3', epoch: 2, copy: 0 });
    // No body at all: the policy chooses.
    const chosen = await admin.ask('POST', '/studies/1.2.3/rebind');
    expect(reboundAnswer.parse(chosen.body)).toMatchObject({ epoch: 3 });
    const { backend } = reboundAnswer.parse(chosen.body);
    expect(problemOf(await admin.ask('POST', '/studies/1.2.3/rebind', { backend }))).toEqual([
      409,
      'already-there',
    ]);
    const { items } = await admin.get('/studies/1.2.3/decisions', decisionsAnswer);
    expect(items.map((decision) => decision.kind)).toEqual(['placed', 'rebound', 'rebound']);
    expect((await admin.get('/totals', totalsAnswer)).decisions).toMatchObject({ placed: 1, rebound: 2 });
    expect(await trail(admin)).toEqual(['admin rebind 1.2.3', 'admin rebind 1.2.3']);
  });

  test.each([
    ['a study nobody sent', '/studies/9.9/rebind', { backend: 'orthanc2' }, 404, 'unknown-study'],
    ['a backend that is none', '/studies/1.2.3/rebind', { backend: 'orthanc9' }, 404, 'unknown-backend'],
    ['a copy it has not', '/studies/1.2.3/rebind', { copy: 3 }, 409, 'not-placed'],
    ['a word too many', '/studies/1.2.3/rebind', { where: 'orthanc2' }, 400, 'invalid-request'],
    ['a copy that is none', '/studies/1.2.3/rebind', { copy: -1 }, 400, 'invalid-request'],
    ['no conflict there', '/studies/1.2.3/accept-current', { backend: 'orthanc1' }, 409, 'not-in-conflict'],
    ['accepting nothing', '/studies/1.2.3/accept-current', {}, 400, 'invalid-request'],
    ['a rate of nothing', '/backends/orthanc1/evacuation', { bytesPerSecond: 0 }, 400, 'invalid-request'],
    ['emptying what is none', '/backends/orthanc9/evacuation', {}, 404, 'unknown-backend'],
    [
      'emptying it into itself',
      '/backends/orthanc1/evacuation',
      { target: 'orthanc1' },
      409,
      'already-there',
    ],
    ['retrying nothing', '/quarantine/retry', { study: '1.2.3' }, 404, 'not-in-quarantine'],
  ])('refused with a reason, and nothing is done: %s', async (_what, path, body, status, code) => {
    const admin = await adminRig();
    place(admin, '1.2.3');
    expect(problemOf(await admin.ask('POST', path, body))).toEqual([status, code]);
    expect(await trail(admin)).toEqual([]);
    expect(admin.ledger.assignments('1.2.3')).toMatchObject([{ backend: 'orthanc1', epoch: 1 }]);
  });
});

describe('what a study left behind', () => {
  test('is shown with the study, in the list, in the queue and in the metrics, until it is gone', async () => {
    const admin = await adminRig();
    deliver(admin, '1.2.3');
    deliver(admin, '1.2.4');
    for (const uid of ['1.2.3', '1.2.4'])
      await admin.ask('POST', `/studies/${uid}/rebind`, { backend: 'orthanc2' });
    const study = await admin.get('/studies/1.2.3', studyAnswer);
    expect(study).toMatchObject({ state: 'healing', backend: 'orthanc2' });
    expect(study.formerCopies).toMatchObject([
      { backend: 'orthanc1', target: 'orthanc2', state: 'waiting', studyInstanceUID: '1.2.3' },
    ]);
    const healing = await admin.get('/studies?state=healing', pageOf(studyAnswer));
    expect(healing.items).toHaveLength(2);
    const whole = await admin.get('/former-copies', formerCopiesAnswer);
    expect(whole).toMatchObject({ more: false, items: [{}, {}] });
    expect(await admin.get('/former-copies?limit=1', formerCopiesAnswer)).toMatchObject({
      more: true,
      items: [{ studyInstanceUID: '1.2.3' }],
    });
    expect((await admin.get('/former-copies?study=1.2.4', formerCopiesAnswer)).items).toHaveLength(1);
    expect((await admin.get('/former-copies?backend=orthanc2', formerCopiesAnswer)).items).toEqual([]);
    expect(await admin.get('/queue', queueAnswer)).toMatchObject({ formerCopies: 2, formerConflicts: 0 });
    expect(await admin.metrics()).toMatch(/^dde_former_copies 2$/m);

    for (const { id } of admin.ledger.formerCopies())
      admin.ledger.formerGone(id, { instances: 1, bytes: 1000 }, admin.time.clock());
    expect(await admin.get('/studies/1.2.3', studyAnswer)).toMatchObject({ formerCopies: [] });
    expect(await admin.metrics()).toMatch(/^dde_former_copies 0$/m);
  });

  test('in conflict it waits for a person, and a person settles it', async () => {
    const admin = await adminRig();
    deliver(admin, '1.2.3');
    await admin.ask('POST', '/studies/1.2.3/rebind', { backend: 'orthanc2' });
    const [former] = admin.ledger.formerCopies();
    if (former === undefined) throw new Error('a study that was bound anew has a former copy');
    admin.ledger.formerLater(former.id, { state: 'conflict', reason: '1 image differs', notBefore: 0 });
    expect(await admin.get('/queue', queueAnswer)).toMatchObject({ formerCopies: 1, formerConflicts: 1 });
    expect(await admin.metrics()).toMatch(/^dde_former_conflicts 1$/m);

    const accepted = await admin.ask('POST', '/studies/1.2.3/accept-current', { backend: 'orthanc1' });
    expect(accepted).toMatchObject({ status: 200, body: { items: [{ state: 'waiting' }] } });
    expect(admin.ledger.formerConflictSettled(former.id)).toBe(true);
    expect((await trail(admin))[0]).toBe('admin accept-current 1.2.3');
  });
});

describe('a backend is emptied', () => {
  test('begins, keeps what is not said again, and stops when asked, once or twice', async () => {
    const admin = await adminRig();
    expect(problemOf(await admin.ask('GET', '/backends/orthanc1/evacuation'))).toEqual([
      404,
      'no-evacuation',
    ]);
    expect(problemOf(await admin.ask('DELETE', '/backends/orthanc1/evacuation'))).toEqual([
      404,
      'no-evacuation',
    ]);
    const path = '/backends/orthanc1/evacuation';
    const begun = await admin.ask('POST', path, { target: 'orthanc2', bytesPerSecond: 20_000_000 });
    expect(evacuationAnswer.parse(begun.body)).toMatchObject({ state: 'running', target: 'orthanc2' });
    expect(await admin.get('/backends/orthanc1', backendAnswer)).toMatchObject({ state: 'drain' });

    const slower = await admin.ask('POST', path, { bytesPerSecond: 1_000_000 });
    expect(slower.body).toMatchObject({ target: 'orthanc2', bytesPerSecond: 1_000_000 });
    const anywhere = await admin.ask('POST', path, { target: null });
    expect(anywhere.body).toMatchObject({ target: null, bytesPerSecond: 1_000_000 });
    expect((await admin.get('/evacuations', listOf(evacuationAnswer))).items).toHaveLength(1);

    for (let times = 0; times < 2; times++) {
      expect((await admin.ask('DELETE', path)).body).toMatchObject({ state: 'stopped' });
    }
    // Begun anew it keeps nothing of the one that is over.
    expect((await admin.ask('POST', path)).body).toMatchObject({ target: null, bytesPerSecond: null });
    expect(await trail(admin)).toEqual([
      'admin evacuate orthanc1',
      'admin evacuate-cancel orthanc1',
      'admin evacuate orthanc1',
      'admin evacuate orthanc1',
      'admin evacuate orthanc1',
    ]);
  });
});

describe('quarantine', () => {
  test('says for each code what a person can do', async () => {
    const admin = await adminRig();
    const held = (['conflict', 'refused', 'unreadable'] as const).map((code, index) =>
      quarantine(admin, `1.2.${index}`, code),
    );
    admin.time.advance(90_000);
    const { items } = await admin.get('/quarantine', pageOf(quarantineAnswer));
    expect(items.map(({ code, ageSeconds, actions }) => ({ code, ageSeconds, actions }))).toEqual([
      { code: 'conflict', ageSeconds: 90, actions: ['retry', 'release', 'download', 'discard'] },
      { code: 'refused', ageSeconds: 90, actions: ['retry', 'release', 'download', 'discard'] },
      { code: 'unreadable', ageSeconds: 90, actions: ['retry', 'discard'] },
    ]);
    const one = await admin.get(`/quarantine/front/${held[0]?.orthancId}`, quarantineAnswer);
    expect(one).toMatchObject({ code: 'conflict', detail: 'because of conflict', studyInstanceUID: '1.2.0' });
  });

  test('is tried again, one instance or all of the study', async () => {
    const admin = await adminRig();
    const instance = quarantine(admin, '1.2.3', 'refused');
    expect(
      await admin.ask('POST', '/quarantine/retry', { study: '1.2.3', instance: instance.orthancId }),
    ).toEqual({ status: 200, body: { retried: 1 } });
    expect((await admin.get('/quarantine', pageOf(quarantineAnswer))).items).toEqual([]);
    expect(admin.ledger.queue()).toMatchObject({ instances: 1, quarantined: 0 });
    expect(await trail(admin)).toEqual(['admin quarantine-retry 1.2.3']);
  });

  test.each([
    ['GET', '', undefined, 404, 'not-in-quarantine'],
    ['GET', '/file', undefined, 404, 'not-in-quarantine'],
    ['POST', '/release', { backend: 'orthanc1' }, 404, 'not-in-quarantine'],
    ['POST', '/discard', { confirm: true }, 404, 'not-in-quarantine'],
    ['POST', '/discard', { confirm: false }, 400, 'invalid-request'],
    ['POST', '/discard', {}, 400, 'invalid-request'],
    ['POST', '/release', {}, 400, 'invalid-request'],
  ])('%s …%s with %j of what is not in quarantine', async (method, what, body, status, code) => {
    const admin = await adminRig();
    const held = place(admin, '1.2.3');
    expect(problemOf(await admin.ask(method, `/quarantine/front/${held.orthancId}${what}`, body))).toEqual([
      status,
      code,
    ]);
    expect(admin.ledger.standing('front').get(held.orthancId)).toBe('held');
  });

  test('an identifier that is none is said to be none', async () => {
    const admin = await adminRig();
    expect(problemOf(await admin.ask('GET', '/quarantine/front/abc'))).toEqual([400, 'invalid-request']);
  });
});

describe('who did what', () => {
  test('comes newest first, in pages', async () => {
    const admin = await adminRig();
    for (const state of ['drain', 'maint', 'ready']) {
      admin.time.advance(1000);
      await admin.ask('PATCH', '/backends/orthanc1', { state, weight: state === 'ready' ? null : 0.5 });
    }
    await admin.ask('POST', '/reconcile');
    const first = await admin.get('/audit?limit=3', pageOf(auditAnswer));
    expect(first.items.map(({ action, detail }) => `${action}: ${detail}`)).toEqual([
      'reconcile: fronts compared with the ledger at once',
      'backend-set: state ready, weight as in the topology',
      'backend-set: state maint, weight 0.5',
    ]);
    const rest = await admin.get(`/audit?limit=3&cursor=${first.next}`, pageOf(auditAnswer));
    expect(rest).toMatchObject({ items: [{ detail: 'state drain, weight 0.5' }], next: null });
    expect(problemOf(await admin.ask('GET', '/audit?cursor=abc'))).toEqual([400, 'invalid-request']);
  });
});

test('a backend that does not serve says since when, and that transfers found it out', async () => {
  const admin = await adminRig();
  expect(await admin.get('/backends/orthanc1', backendAnswer)).toMatchObject({
    outSince: null,
    breaker: 'closed',
  });
  const since = new Date(admin.time.clock()).toISOString();
  admin.pool.transferFailed('orthanc1', 'send-failed', 'HTTP 500', admin.time.clock());
  admin.time.advance(1000);
  admin.pool.transferFailed('orthanc1', 'send-failed', 'HTTP 500', admin.time.clock());
  expect(await admin.get('/backends/orthanc1', backendAnswer)).toMatchObject({
    outSince: since,
    breaker: 'open',
    health: 'up',
  });
  expect(await admin.metrics()).toMatch(/^dde_backend_out\{backend="orthanc1"\} 1$/m);
  expect(await admin.metrics()).toMatch(/^dde_backend_out\{backend="orthanc2"\} 0$/m);
});

test('a service without these rooms says so', async () => {
  const admin = await adminRig(false);
  const held = quarantine(admin, '1.2.3', 'conflict');
  for (const [method, path, body] of [
    ['POST', '/studies/1.2.3/rebind', undefined],
    ['POST', '/studies/1.2.3/accept-current', { backend: 'orthanc1' }],
    ['POST', '/backends/orthanc1/evacuation', undefined],
    ['DELETE', '/backends/orthanc1/evacuation', undefined],
    ['POST', '/quarantine/retry', { study: '1.2.3' }],
    ['POST', `/quarantine/front/${held.orthancId}/release`, { backend: 'orthanc1' }],
    ['POST', `/quarantine/front/${held.orthancId}/discard`, { confirm: true }],
    ['POST', '/reconcile', undefined],
  ] as const) {
    expect((await admin.ask(method, path, body)).status, path).toBe(501);
  }
});
