// Installs the opponents that come from the npm registry, on demand, into
// node_modules/.cache/bench: neither `npm ci` nor a user of the package ever downloads them. The
// versions are those of package-lock.json in this folder.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { npm, root } from '../../scripts/pack.mjs';

const manifest = ['package.json', 'package-lock.json', 'load.mjs'];
// The environment may name another folder: a test begins with nothing installed and nothing
// compiled.
const cache =
  process.env.SOCKSCOPE_BENCH_CACHE ?? path.join(root, 'node_modules', '.cache', 'bench');
const installed = path.join(cache, 'opponents');
const stamp = path.join(installed, 'node_modules', '.installed');

/**
 * A folder for programs that are compiled or installed on demand. It may be deleted at any time.
 */
export function cacheFolder() {
  mkdirSync(cache, { recursive: true });
  return cache;
}

const wanted = () =>
  manifest.map((name) => readFileSync(path.join(import.meta.dirname, name), 'utf8')).join('');

/** Whether the installed packages are those of package-lock.json. */
function opponentsInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted();
}

/**
 * Installs the packages, if they are not installed. An optional package may fail without the others
 * (another platform, no compiler).
 * @param {(line: string) => void} say
 * @returns {string | undefined} Why nothing could be installed (no network), or undefined.
 */
export function installOpponents(say) {
  if (opponentsInstalled()) return undefined;
  say('installing the opponents (about 260 MB, once)');
  mkdirSync(installed, { recursive: true });
  for (const name of manifest)
    copyFileSync(path.join(import.meta.dirname, name), path.join(installed, name));
  try {
    npm(['ci', '--no-audit', '--no-fund'], { cwd: installed });
  } catch (error) {
    rmSync(stamp, { force: true });
    return error instanceof Error ? error.message.trim() : String(error);
  }
  writeFileSync(stamp, wanted());
  return undefined;
}

/** The folder that holds the installed packages, or undefined if they are not installed. */
export function opponentsFolder() {
  return opponentsInstalled() ? installed : undefined;
}

/**
 * A file of an installed package, such as `@oven/bun-linux-x64/bin/bun`.
 * @param {string} name
 * @returns {string | undefined} Its path, or undefined if it is not installed.
 */
export function opponentFile(name) {
  const file = path.join(installed, 'node_modules', name);
  return existsSync(file) ? file : undefined;
}

/**
 * Imports an installed package.
 * @param {string} name
 */
export async function importOpponent(name) {
  const { load } = await import(pathToFileURL(path.join(installed, 'load.mjs')).href);
  return load(name);
}
