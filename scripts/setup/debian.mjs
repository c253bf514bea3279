import { readFileSync } from 'node:fs';
import { Complaint } from './complaint.mjs';
import { step } from './progress.mjs';
import { capture, findProgram, systemPath } from './run.mjs';

/** Which Debian package brings which program, and which system service it starts. */
const packages = [
  { name: 'orthanc', programs: ['Orthanc'], service: 'orthanc' },
  { name: 'dcmtk', programs: ['storescu', 'dcmsend', 'dcmdump'] },
];
/** Not needed to run this project; who needs one of them says so. */
const optional = [
  { name: 'chromium', programs: ['chromium'] },
  { name: 'haproxy', programs: ['haproxy'], service: 'haproxy' },
  { name: 'prometheus', programs: ['prometheus', 'promtool'], service: 'prometheus' },
];

/**
 * Installs Debian's Orthanc and DCMTK, and what else is asked for, where their programs are missing: as root, or with a sudo that asks
 * for no password.
 *
 * Some packages also start a system service, Orthanc's on the very ports that the farm uses. It is switched off again, but only if
 * it was we who brought it: an Orthanc that was there before is somebody's.
 *
 * @param {{ also?: readonly string[], path?: string, osRelease?: string, orthanc?: string | undefined, uid?: number | undefined }} [machine]
 *   optional packages that are needed too, where programs are looked for, the file that says which system this is, an Orthanc to be used
 *   instead, and who we are.
 * @throws {Complaint} when something is missing and may not be installed.
 */
export async function ensurePackages({
  also = [],
  path = systemPath(),
  osRelease = '/etc/os-release',
  orthanc = process.env.DDE_ORTHANC,
  uid = process.getuid?.(),
} = {}) {
  const has = (program) => findProgram(program, path) !== null;
  if (orthanc !== undefined && orthanc !== '' && findProgram(orthanc, path) === null)
    throw new Complaint(`DDE_ORTHANC is "${orthanc}", which is no program that can be run.`);
  const missing = [...packages, ...also.map(optionalNamed)]
    .filter(({ name }) => !(name === 'orthanc' && orthanc !== undefined && orthanc !== ''))
    .filter(({ programs }) => !programs.every(has));
  if (missing.length === 0) return;

  const names = missing.map(({ name }) => name).join(' and ');
  if (!isDebian(osRelease) || !has('apt-get'))
    throw new Complaint(
      `${names} must be installed by hand on this system (DDE_ORTHANC may name an Orthanc that is not in PATH).`,
    );
  const asRoot = uid === 0 ? [] : await passwordlessSudo(path);
  const byHand = `sudo apt-get update && sudo apt-get install --no-install-recommends ${namesOf(missing)}`;
  const off = servicesOf(missing)
    .map((service) => ` && sudo systemctl disable --now ${service}`)
    .join('');
  if (asRoot === null)
    throw new Complaint(`${names} must be installed, which needs root; type: ${byHand}${off}`);

  const env = { ...process.env, PATH: path };
  await step(`Installing ${names} with apt-get`, async () => {
    const [program, ...args] = [...asRoot, 'sh', '-c', script(missing)];
    const { code, output } = await capture(program, args, { env });
    const still = missing.filter(({ programs }) => !programs.every(has));
    if (code === 0 && still.length === 0) return;
    const said = output.trim().split('\n').slice(-12).join('\n');
    throw new Complaint(
      `${names} could not be installed (exit code ${code}); to try by hand: ${byHand}${off}\n${said}`,
    );
  });
}

/** One script, so that sudo is asked once. */
function script(missing) {
  const apt = 'apt-get -o DPkg::Lock::Timeout=120';
  const lines = [
    'export DEBIAN_FRONTEND=noninteractive',
    // A stale or partly unreachable mirror list may still be good enough to install from.
    `${apt} update || true`,
    `${apt} install --yes --no-install-recommends ${namesOf(missing)} || exit $?`,
  ];
  for (const service of servicesOf(missing))
    lines.push(
      `if [ -d /run/systemd/system ]; then systemctl disable --now ${service} || true`,
      `elif [ -x /etc/init.d/${service} ]; then /etc/init.d/${service} stop || true; update-rc.d ${service} disable || true`,
      'fi',
    );
  return lines.join('\n');
}

function optionalNamed(name) {
  const found = optional.find((one) => one.name === name);
  if (found === undefined) throw new RangeError(`no program is known of the package "${name}"`);
  return found;
}

function namesOf(some) {
  return some.map(({ name }) => name).join(' ');
}

function servicesOf(some) {
  return some.flatMap(({ service }) => (service === undefined ? [] : [service]));
}

async function passwordlessSudo(path) {
  const sudo = findProgram('sudo', path);
  if (sudo === null) return null;
  const { code } = await capture(sudo, ['-n', 'true']);
  return code === 0 ? [sudo, '-n'] : null;
}

function isDebian(osRelease) {
  try {
    const text = readFileSync(osRelease, 'utf8');
    return text.split('\n').some((line) => /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/.test(line));
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}
