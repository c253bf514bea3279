import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Complaint } from './complaint.mjs';
import { step } from './progress.mjs';
import { capture, findProgram, projectPath, systemPath } from './run.mjs';

/** The Node that the project runs on; it comes with the npm package `node`. */
export const nodeMajor = 24;

/**
 * Installs the npm packages of package-lock.json unless they are there. The stamp is written last, and `npm ci` begins by
 * removing node_modules, so that whatever is interrupted is noticed and done anew.
 *
 * @param {string} project folder with package.json.
 * @returns {Promise<string>} path of the project's own Node.
 */
export async function ensureDependencies(project) {
  const node = join(project, 'node_modules', '.bin', 'node');
  const stampFile = join(project, 'node_modules', '.dde-setup');
  const lockFile = readFileSync(join(project, 'package-lock.json'));
  const stamp = createHash('sha256')
    .update(lockFile)
    .update(`${process.platform} ${process.arch}`)
    .digest('hex');
  if (readText(stampFile) === stamp && existsSync(node)) return node;
  const adopted = isInstalled(project, JSON.parse(lockFile.toString('utf8'))) && (await isRightNode(node));
  if (!adopted) {
    await step('Installing npm packages', () => install(project));
    if (!(await isRightNode(node)))
      await step(`Installing Node ${nodeMajor}`, () => installNode(project, node));
  }
  writeFileSync(`${stampFile}.new`, stamp);
  renameSync(`${stampFile}.new`, stampFile);
  return node;
}

/**
 * Whether somebody has installed exactly this already, with npm itself. npm writes its own list of what is there at the
 * end of an installation; packages for other machines are in the lock file and not there.
 */
function isInstalled(project, lock) {
  const text = readText(join(project, 'node_modules', '.package-lock.json'));
  if (text === null) return false;
  let installed;
  try {
    installed = JSON.parse(text).packages;
  } catch {
    // Half a list is the mark of half an installation.
    return false;
  }
  if (typeof installed !== 'object' || installed === null) return false;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found === undefined) return wanted.optional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/**
 * Without install scripts: the only one that is needed is that of the package `node`, and it is run by hand below, because
 * npm versions differ in whether they run it at all.
 */
async function install(project) {
  rmSync(join(project, 'node_modules', '.dde-setup'), { force: true });
  const args = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const { code, output } = await npm(project, args);
  if (code !== 0) throw new Complaint(`npm ${args[0]} failed (exit code ${code}):\n${tail(output)}`);
}

/**
 * What the package's preinstall script does: fetch the binary for this machine beside it and put it in its place. npm made
 * no link to it, because it was not there yet.
 */
async function installNode(project, node) {
  const folder = join(project, 'node_modules', 'node');
  const { code, output } = await capture(systemNode(), ['installArchSpecificPackage.js'], {
    cwd: folder,
    env: { ...cleanEnvironment(), npm_config_audit: 'false', npm_config_fund: 'false' },
  });
  rmSync(node, { force: true });
  symlinkSync(join('..', 'node', 'bin', 'node'), node);
  if (!(await isRightNode(node)))
    throw new Complaint(`Node ${nodeMajor} could not be installed (exit code ${code}):\n${tail(output)}`);
}

async function isRightNode(node) {
  if (!existsSync(node)) return false;
  const { code, output } = await capture(node, ['--version']);
  return code === 0 && output.startsWith(`v${nodeMajor}.`);
}

function npm(project, args) {
  const env = cleanEnvironment();
  const own = process.env.npm_execpath;
  if (own !== undefined && basename(own) === 'npm-cli.js' && existsSync(own))
    return capture(systemNode(), [own, ...args], { cwd: project, env });
  const program = findProgram('npm', systemPath());
  if (program === null)
    throw new Complaint('npm is missing: install it, on Debian or Ubuntu with "sudo apt-get install npm".');
  return capture(program, args, { cwd: project, env });
}

/** The Node outside of node_modules; ours while there is none. */
function systemNode() {
  return findProgram('node', systemPath()) ?? process.execPath;
}

/** A script that npm runs inherits npm's own settings, such as `ignore-scripts`; an npm inside has to begin afresh. */
function cleanEnvironment() {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_(package|lifecycle|command|execpath|node_execpath|config_(ignore_scripts|omit|production|prefix|local_prefix|global))/i.test(
        name,
      ),
  );
  return { ...Object.fromEntries(kept), PATH: systemPath() };
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  }
}

function tail(output) {
  return output.trim().split('\n').slice(-20).join('\n');
}

/** Environment of everything that the project itself runs. */
export function projectEnvironment() {
  return { ...process.env, PATH: projectPath() };
}
