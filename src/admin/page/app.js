// The page at `/`: what waits, the backends, the latest studies, asked for every two seconds. It holds no state of its own but
// the admin token, which comes in the address after `#` (never sent to any server) and stays in this tab only.

const everyMs = 2000;
const storageKey = 'dde-admin-token';
const byId = (id) => document.getElementById(id);

let token = takeToken();
let timer;

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return sessionStorage.getItem(storageKey);
  sessionStorage.setItem(storageKey, given);
  // Out of the address bar and the browser's history.
  history.replaceState(null, '', location.pathname);
  return given;
}

/** An element with text, class and children; text is never read as HTML. */
function element(tag, { text, className, title, href } = {}, children = []) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  if (title) node.title = title;
  if (href) node.href = href;
  node.append(...children);
  return node;
}

/** A link to an Orthanc, only ever to a web address. */
function linkTo(url, text) {
  if (!/^https?:\/\//.test(url ?? '')) return element('span', { text });
  const link = element('a', { text, href: url });
  link.target = '_blank';
  link.rel = 'noreferrer';
  return link;
}

async function ask(path) {
  const response = await fetch(`api/v1/${path}`, {
    headers: { Authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error(answer.detail), { status: response.status });
}

async function refresh() {
  clearTimeout(timer);
  if (!token) return askForToken();
  try {
    const [queue, backends, studies] = await Promise.all([
      ask('queue'),
      ask('backends'),
      ask('studies?limit=25'),
    ]);
    showQueue(queue);
    byId('backends').replaceChildren(...backends.items.map(backendCard));
    byId('studies').replaceChildren(...studies.items.map(studyRow));
    byId('none').hidden = studies.items.length > 0;
    byId('farm').hidden = false;
    byId('ask').hidden = true;
    say(`as of ${new Date().toLocaleTimeString()}`, '');
  } catch (error) {
    if (error.status === 401) return askForToken('This token is not the right one.');
    say(error.status === undefined ? 'The service does not answer; trying again.' : error.message, 'bad');
  }
  if (!document.hidden) timer = setTimeout(() => void refresh(), everyMs);
}

function say(text, className) {
  byId('live').textContent = text;
  byId('live').className = className;
}

function askForToken(text = '') {
  sessionStorage.removeItem(storageKey);
  token = null;
  say(text, 'bad');
  byId('farm').hidden = true;
  byId('ask').hidden = false;
  byId('token').focus();
}

function tile(name, value, className = '') {
  return element('div', {}, [element('dt', { text: name }), element('dd', { text: value, className })]);
}

function showQueue(queue) {
  byId('queue').replaceChildren(
    tile('images waiting', number(queue.instances)),
    tile('oldest of them', queue.oldestAgeSeconds === null ? '–' : duration(queue.oldestAgeSeconds)),
    tile('proven, settling', number(queue.settling)),
    tile('in quarantine', number(queue.quarantined), queue.quarantined > 0 ? 'bad' : ''),
    ...(queue.formerCopies === 0
      ? []
      : [tile('studies to heal', number(queue.formerCopies), queue.formerConflicts > 0 ? 'bad' : 'warn')]),
  );
  const reasons = queue.backends
    .filter((one) => one.held !== null)
    .map((one) => `${one.backend}: ${one.held}`);
  if (queue.unplacedStudies > 0) reasons.push(`${number(queue.unplacedStudies)} studies have no backend yet`);
  if (queue.formerConflicts > 0) reasons.push(`${number(queue.formerConflicts)} in conflict: see "dde heal"`);
  byId('why').textContent = reasons.join(' · ');
  byId('why').hidden = reasons.length === 0;
}

function backendCard(backend) {
  const out =
    backend.outSince === null ? '' : ` for ${duration((Date.now() - Date.parse(backend.outSince)) / 1000)}`;
  const [state, className] =
    backend.state !== 'ready'
      ? [`${backend.state}, ${backend.health}`, backend.health === 'down' ? 'bad' : 'warn']
      : backend.health === 'up' && backend.breaker !== 'closed'
        ? [`transfers fail${out}`, 'bad']
        : [backend.health + out, { up: 'good', down: 'bad' }[backend.health] ?? 'warn'];
  const lanes = element('div', {
    className: 'lanes',
    title: `${backend.busyLanes} of ${backend.lanes} lanes busy`,
  });
  for (let lane = 0; lane < backend.lanes; lane++)
    lanes.append(element('i', { className: lane < backend.busyLanes ? 'busy' : '' }));
  const facts = [
    backend.version && `Orthanc ${backend.version}`,
    backend.latencyMs !== null && `${Math.round(backend.latencyMs)} ms`,
    backend.instances !== null && `${number(backend.instances)} images`,
    backend.diskBytes !== null && size(backend.diskBytes),
  ].filter(Boolean);
  const trouble =
    backend.healthReason && backend.health !== 'up'
      ? backend.healthReason
      : backend.retryAt && backend.lastFailure;
  return element('li', {}, [
    element('div', { className: 'title' }, [
      linkTo(backend.explorer, backend.name),
      element('span', { text: state, className }),
    ]),
    element('p', { text: facts.join(' · ') || 'nothing known yet', className: 'soft' }),
    element('p', {
      text: `${number(backend.studiesInFlight)} studies, ${number(backend.instancesInFlight)} images under way · weight ${Math.round(backend.weight * 100)} %`,
      className: 'soft',
    }),
    ...(trouble ? [element('p', { text: trouble, className: 'bad soft' })] : []),
    lanes,
  ]);
}

const stateClass = {
  verified: 'good',
  removed: 'good',
  quarantined: 'bad',
  received: 'warn',
  healing: 'warn',
};

function studyRow(study) {
  const { instances } = study;
  const from = [study.remoteAet, study.modality].filter(Boolean).join(' · ');
  const state = element('td', { className: 'why' }, [
    element('span', { text: study.state, className: stateClass[study.state] ?? '' }),
  ]);
  if (study.waiting !== null) state.append(element('div', { text: study.waiting, className: 'soft' }));
  const backend = element('td');
  if (study.backend !== null) backend.append(linkTo(study.explorer, study.backend));
  return element('tr', {}, [
    element('td', { text: study.studyInstanceUID, title: study.studyInstanceUID, className: 'uid' }),
    element('td', { text: from || '–' }),
    state,
    backend,
    element('td', {
      text: `${number(instances.verified)} of ${number(instances.received)}`,
      className: 'number',
    }),
    element('td', { text: size(study.bytes), className: 'number' }),
    element('td', { text: new Date(study.lastNewsAt).toLocaleString(), title: study.lastNewsAt }),
  ]);
}

function number(value) {
  return value.toLocaleString('en-US');
}

function size(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

function duration(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

byId('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  token = byId('token').value.trim();
  sessionStorage.setItem(storageKey, token);
  void refresh();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});
window.addEventListener('hashchange', () => {
  token = takeToken();
  void refresh();
});
void refresh();
