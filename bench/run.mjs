// `npm run bench`. `npm run bench -- --help` lists all names and options.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { openBase } from './base.mjs';
import { describeEnvironment } from './environment.mjs';
import { opponentNames, scenarioNames } from './net/index.mjs';
import { writeCompleteReport, writeReport } from './report/index.mjs';
import { comparisonText } from './side-by-side.mjs';
import { mergeInto, summaryOf, writeSummary } from './summary.mjs';

/**
 * Each is a folder whose index.mjs exports `run(options)`, which prints as it goes, and returns
 * `results` for JSON and the `comparisons` with another build.
 */
const modes = {
  net: 'servers of every kind, side by side',
  native: "the addon's calls, and nothing around them",
  concurrency: 'scopes, tasks, groups and locks',
  threads: 'calls between threads',
};
const folderOf = (/** @type {string} */ mode) => path.join(import.meta.dirname, mode, 'index.mjs');
const present = Object.keys(modes).filter((mode) => existsSync(folderOf(mode)));

/**
 * Names, in lines of at most 100 columns. @param {readonly string[]} names @param {number} column
 * Where the lines begin.
 */
function listed(names, column) {
  const lines = [''];
  for (const name of names) {
    const last = lines.length - 1;
    if (lines[last].length + name.length + column > 97) lines.push(name);
    else lines[last] += lines[last] === '' ? name : `, ${name}`;
  }
  return lines.join(`,\n${' '.repeat(column)}`);
}

const usage = `usage: npm run bench -- [NAME ...] [options]

NAME is one of
  quick        everything in two minutes: few cases, few opponents, short rounds
${present.map((mode) => `  ${mode.padEnd(12)} ${modes[mode]}`).join('\n')}
  or a scenario of net:
               ${listed(scenarioNames, 15)}
  or one case of it: tcp-echo/1000b
  Without a name: everything.

options of net
  --against A,B   only these opponents:
                  ${listed(opponentNames, 18)}
  --rounds N      turns that each opponent gets (5; quick: 2)
  --seconds S     of each turn (2; quick: 0.5)
  --warmup S      before each turn (0.5; quick: 0.25)
  --requests N    ends a turn before its time
  --no-install    installs nothing, and measures the installed opponents (in all modes)

options of concurrency
  --rounds N      turns that each opponent gets (9; quick: 3)
  --nodes A,B     installs these major versions of Node.js, and measures under each: 20,24,26

options of all
  --base PATH     measures the build of another checkout beside this one's, in the same rounds, and
                  no other opponents; the table at the end shows what differs (quick: five minutes;
                  --rounds applies to native and threads, too)
  --node PATH     the Node.js that runs everything, the servers too
  --json FILE     where the results of every turn go (bench/results/last.json)
  --merge         puts what was measured into the summary of the complete run under this version
                  of Node.js, with its own date
  --no-report     leaves the HTML reports as they are
  --help`;

const resultsFolder = path.join(import.meta.dirname, 'results');

/** @param {string} name @param {string | undefined} text @param {number} least */
function number(name, text, least) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= 1e9))
    throw new Error(`--${name} must be a number from ${String(least)}, not "${text}"`);
  return value;
}

/** @param {string[]} args */
function parse(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      against: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      warmup: { type: 'string' },
      requests: { type: 'string' },
      node: { type: 'string' },
      nodes: { type: 'string' },
      json: { type: 'string' },
      merge: { type: 'boolean', default: false },
      base: { type: 'string' },
      'no-install': { type: 'boolean', default: false },
      'no-report': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const quick = positionals.includes('quick');
  const names = positionals.filter((name) => name !== 'quick');
  const scenarios = names.filter((name) => scenarioNames.includes(name.split('/')[0]));
  const unknown = names.filter((name) => !scenarios.includes(name) && !present.includes(name));
  if (unknown.length > 0) {
    const known = ['quick', ...present, ...scenarioNames].join(', ');
    throw new Error(`no benchmark "${unknown.join('", "')}": there are ${known}`);
  }
  const wanted = present.filter(
    (mode) =>
      names.length === 0 || names.includes(mode) || (mode === 'net' && scenarios.length > 0),
  );
  const net = {
    quick,
    names: names.includes('net') ? [] : scenarios,
    against: values.against?.split(',').filter((name) => name !== ''),
    rounds: number('rounds', values.rounds, 1),
    seconds: number('seconds', values.seconds, 0.01),
    warmup: number('warmup', values.warmup, 0),
    requests: number('requests', values.requests, 0),
    install: !values['no-install'],
  };
  const concurrency = {
    rounds: net.rounds,
    install: net.install,
    nodes: values.nodes?.split(',').filter((major) => major !== ''),
  };
  const isComplete =
    !quick &&
    values.base === undefined &&
    wanted.length === present.length &&
    net.names.length === 0 &&
    net.against === undefined;
  return {
    help: values.help,
    node: values.node,
    base: values.base,
    merge: values.merge,
    wanted,
    quick,
    net,
    concurrency,
    isComplete,
    json: values.json,
    report: !values['no-report'],
  };
}

/**
 * The options of a mode.
 * @param {string} mode @param {ReturnType<typeof parse>} options @param
 *   {import('./base.mjs').Base | undefined} base
 */
function optionsOf(mode, { quick, net, concurrency }, base) {
  const given = (/** @type {object} */ options) =>
    Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  if (mode === 'net') return given({ ...net, base });
  if (mode === 'concurrency') return given({ quick, ...concurrency, base });
  const rounds = base === undefined ? undefined : net.rounds;
  return given({ quick, install: net.install, rounds, base });
}

/**
 * Runs this program under another Node.js, unless that is the running one.
 * @param {string} node
 */
function runsElsewhere(node) {
  if (!existsSync(node)) throw new Error(`there is no ${node}`);
  if (realpathSync(node) === realpathSync(process.execPath)) return false;
  const { status, error } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' });
  if (error !== undefined) throw new Error(`${node} does not run: ${error.message}`);
  process.exitCode = status ?? 1;
  return true;
}

async function main() {
  const options = parse(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return;
  }
  if (options.node !== undefined && runsElsewhere(options.node)) return;
  const environment = describeEnvironment(process.execPath);
  const args = process.argv.slice(2);
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  /** @type {Record<string, unknown>} */
  const measured = {};
  const base = options.base === undefined ? undefined : openBase(options.base);
  const comparisons = [];
  for (const mode of options.wanted) {
    const { run } = await import(pathToFileURL(folderOf(mode)).href);
    if (options.wanted.length > 1) console.log(`\n${mode}: ${modes[mode]}`);
    const outcome = await run(optionsOf(mode, options, base));
    measured[mode] = outcome.results;
    comparisons.push(...outcome.comparisons);
  }
  if (base !== undefined) {
    measured.sideBySide = { base: base.commit, comparisons };
    console.log(`\n${comparisonText(comparisons, base.commit)}`);
  }
  const raw = { command, environment, ...measured };
  const file = options.json ?? path.join(resultsFolder, 'last.json');
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(raw, null, 1)}\n`);
  console.log(`\nresults: ${file}`);
  const summary = summaryOf(raw);
  if (options.report)
    console.log(`report: ${writeReport(file.replace(/(\.json)?$/, '.html'), [summary])}`);
  if (!options.isComplete && !options.merge) return;
  const kept = path.join(resultsFolder, `node${environment.node.version.split('.')[0]}.json`);
  if (options.isComplete) writeSummary(kept, summary);
  else mergeInto(kept, summary);
  console.log(`summary: ${kept}`);
  if (options.report) console.log(`report: ${writeCompleteReport(resultsFolder)}`);
}

try {
  await main();
} catch (error) {
  const { message = String(error), stack } = /** @type {Error} */ (error);
  console.error(process.env.DEBUG === undefined ? message : stack);
  process.exitCode = 1;
}
