// `--base PATH`: another checkout of this package, whose build is measured beside this one's.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { commitOf } from './environment.mjs';
import { cacheFolder } from './opponents/index.mjs';

/** Parts of this folder that no measured program needs. */
const skipped = ['node_modules', 'results', 'report'];

/**
 * @typedef {object} Base
 * @property {string} commit Of the checkout; "unknown" without git.
 * @property {string} folder Where programs run: `sockscope` is the other checkout's build there.
 * @property {(file: string) => string} program The copy of a file of bench/: it imports that build.
 */

/**
 * Copies the programs of bench/ to a folder in which the name `sockscope` leads to another
 * checkout: so both builds do exactly the same work, whatever the other checkout's bench/ holds.
 * The folder is removed when this process exits.
 * @param {string} checkout
 * @returns {Base}
 * @throws {Error} If there is no compiled package.
 */
export function openBase(checkout) {
  const built = path.resolve(checkout);
  const manifest = path.join(built, 'package.json');
  if (!existsSync(manifest) || JSON.parse(readFileSync(manifest, 'utf8')).name !== 'sockscope')
    throw new Error(`--base: ${checkout} is no checkout of sockscope`);
  for (const part of ['node_modules', 'dist/index.mjs']) {
    if (!existsSync(path.join(built, part)))
      throw new Error(
        `--base: ${checkout} has no ${part}; run "npm ci && npm run compile" there first`,
      );
  }
  const folder = mkdtempSync(path.join(cacheFolder(), 'base-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(built, path.join(folder, 'node_modules', 'sockscope'));
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  cpSync(import.meta.dirname, path.join(folder, 'bench'), {
    recursive: true,
    filter: (source) => !skipped.includes(path.basename(source)),
  });
  return {
    commit: commitOf(built) ?? 'unknown',
    folder,
    program: (file) => path.join(folder, 'bench', path.relative(import.meta.dirname, file)),
  };
}

/** Marks, behind the name of an opponent, that it runs the build of `--base`. */
const MARK = '@base';

/** @param {string} name Of an opponent. */
export const baseName = (name) => `${name}${MARK}`;

/** The name without the mark. @param {string} name */
export const ownName = (name) => (isBase(name) ? name.slice(0, -MARK.length) : name);

/** @param {string} name */
export const isBase = (name) => name.endsWith(MARK);

/**
 * The order of one round. Another opponent begins each time. Both builds of an opponent follow each
 * other, and the other build begins each time.
 * @param {readonly string[]} names
 * @param {number} round
 */
export function turnOrder(names, round) {
  const pairs = names
    .filter((name) => !isBase(name))
    .map((name) => [name, baseName(name)].filter((one) => names.includes(one)));
  return rotated(pairs, round).flatMap((pair) => rotated(pair, round));
}

/** @template T @param {readonly T[]} list @param {number} count @returns {T[]} */
function rotated(list, count) {
  return list.map((_, i) => /** @type {T} */ (list[(i + count) % list.length]));
}
