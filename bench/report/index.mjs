// The report: one HTML file that needs nothing else, made of the JSON files of runs.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { caseTable } from '../net/table.mjs';
import { digits } from '../text.mjs';
import { findLosses, ours } from '../net/verdict.mjs';
import { chartMaker } from './chart.mjs';
import { anything, escape, page, table } from './html.mjs';

/**
 * @typedef {object} Run A result file.
 * @property {string} command @property {ReturnType<typeof
 *   import('../environment.mjs').describeEnvironment>} environment
 * @property {Awaited<ReturnType<typeof import('../net/index.mjs').run>>} [net]
 */

const method = `Server and client run on different cores; opponents take turns within each round, each with a warm-up. Numbers are medians of the
rounds, ± is half of their range. Every echo is compared with what was sent, byte for byte. CPU is that of all threads of the server, from
<code>/proc/PID/stat</code>: the kernel knows the sum exactly, and estimates its split into user and system from its timer interrupts, so that the split is less certain than the sum. <i>client full</i>: the load generator had no time left, so that the rate is its own and only the
CPU time compares. <i>disturbed</i>: something else ran on the machine. <i>core stolen</i>: the hypervisor gave the cores to others, in the calmest of four
tries, too; what it stole counts as the server's CPU.`;

/** @param {Run} run */
function environmentTable({ command, environment, net }) {
  const { node, versions } = environment;
  const settings = net?.settings;
  return table(
    ['', ''],
    [
      ['command', command],
      ['date', environment.date],
      ['sockscope', [environment.sockscope, environment.commit].filter(Boolean).join(', ')],
      ['Node.js', `${node.version} (V8 ${node.v8}, libuv ${node.libuv})`],
      [
        'others',
        Object.entries(versions)
          .map((entry) => entry.join(' '))
          .join(', '),
      ],
      ['kernel', environment.kernel],
      ['processor', `${environment.cpu}, ${environment.architecture}`],
      ['TCP congestion control', environment.congestionControl ?? 'unknown'],
      ['memory', `${(environment.memory / 2 ** 30).toFixed(0)} GiB`],
      ...(settings === undefined
        ? []
        : [
            [
              'rounds',
              `${String(settings.rounds)} of ${String(settings.seconds)} s, after ${String(settings.warmup)} s of warm-up`,
            ],
            ['cores', settings.pinned ? 'client and server pinned to one each' : 'not pinned'],
          ]),
      ...Object.entries(net?.missing ?? {}).map(([name, reason]) => [`without ${name}`, reason]),
    ],
  );
}

/** @param {Run} run */
function lossTable({ net }) {
  const losses = findLosses(net?.scenarios ?? []);
  if (losses.length === 0)
    return '<p>In no case was another one better by more than 5 % and outside of the spread.</p>';
  return `<p>Every case and measure in which another one is better than <b>sockscope native</b> by more than 5 %, and outside of the spread of the rounds.</p>
${table(
  ['work', 'measure', 'who is better', 'by', 'sockscope', 'the other'],
  losses.map(({ title, measure, label, factor, own, other }) => [
    title,
    measure,
    label,
    `${factor.toFixed(2)} ×`,
    digits(own),
    digits(other),
  ]),
  () => 'worse',
)}`;
}

/** @param {Run} run @param {Awaited<ReturnType<typeof chartMaker>>} chart @param {string} prefix */
function scenarioSections({ net }, chart, prefix) {
  return (net?.scenarios ?? [])
    .map((scenario) => {
      const cases = scenario.cases.map((one) => {
        const { columns, rows, remarks } = caseTable(scenario, one);
        const drawn = chart === undefined || one.opponents.length === 0 ? '' : chart(scenario, one);
        const own = (/** @type {readonly unknown[]} */ row) =>
          String(row[0]).startsWith('sockscope native') ? 'own' : '';
        const said = remarks
          .map((remark) => `<p class="note">${escape(remark.split('\n')[0])}</p>`)
          .join('');
        return `<h4>${escape(one.title)}</h4>\n${drawn}\n${rows.length === 0 ? '' : table(columns, rows, own)}${said}`;
      });
      return `<h3 id="${prefix}${scenario.name}">${escape(scenario.title)} <small>(${escape(scenario.name)}, ${escape(scenario.card)})</small></h3>
<p class="note">${escape(scenario.note)}</p>
${cases.join('\n')}`;
    })
    .join('\n');
}

/** This library by the base, for each version of Node.js. @param {Run[]} runs */
function overview(runs) {
  const versions = runs.map((run) => `Node.js ${run.environment.node.version}`);
  /** @type {Map<string, string[]>} */
  const rows = new Map();
  runs.forEach((run, column) => {
    for (const scenario of run.net?.scenarios ?? []) {
      for (const one of scenario.cases) {
        const own = one.opponents.find(({ name }) => ours.includes(name));
        const base = one.opponents.find(({ name }) => name === one.base);
        if (own === undefined || base === undefined || own === base) continue;
        const ratio = (/** @type {string} */ name) => {
          const divisor = base.summary[name].median;
          // Too little for the timer interrupts to find.
          return divisor > 0 ? (own.summary[name].median / divisor).toFixed(2) : '–';
        };
        const title = `${scenario.title}: ${one.title}`;
        const row = rows.get(title) ?? [title, base.label, ...versions.map(() => '')];
        row[column + 2] =
          scenario.mode === 'idle'
            ? `${ratio('grown')} (memory)`
            : `${ratio('cpu')} (user ${ratio('user')})`;
        rows.set(title, row);
      }
    }
  });
  if (rows.size === 0) return '';
  return `<h2>In short</h2><p>Server CPU per unit of work of <b>sockscope native</b>, divided by that of the one that most people have now: below 1 is less.
In parentheses the same of the time in user space, which is all that a library can change.</p>
${table(['work', 'divided by', ...versions], [...rows.values()])}`;
}

/** @param {Run} run @param {Awaited<ReturnType<typeof chartMaker>>} chart */
function runSection(run, chart) {
  const { version } = run.environment.node;
  const prefix = `node${version.split('.')[0]}-`;
  const links = (run.net?.scenarios ?? [])
    .map(({ name }) => `<a href="#${prefix}${name}">${escape(name)}</a>`)
    .join('');
  const others = Object.entries(run).filter(
    ([name]) => !['command', 'environment', 'net'].includes(name),
  );
  return `<h2>Node.js ${escape(version)}</h2>
${environmentTable(run)}
<nav>${links}</nav>
${run.net === undefined ? '' : `<h3>Where we lose</h3>\n${lossTable(run)}\n${scenarioSections(run, chart, prefix)}`}
${others.map(([name, value]) => anything(name, value)).join('\n')}`;
}

/** The contest of scopes and tasks under the same version of Node.js. @param {string} file */
function concurrencyBeside(file) {
  const beside = path.join(path.dirname(file), `concurrency-${path.basename(file)}`);
  return existsSync(beside) ? { concurrency: [JSON.parse(readFileSync(beside, 'utf8'))] } : {};
}

/**
 * Writes a report.
 * @param {string} folder Of results: all complete runs in it (node20.json, …) make report.html.
 * @param {string} [file] A single result instead, whose report lies beside it.
 * @returns {Promise<string>} Where it is.
 */
export async function writeReport(folder, file) {
  const complete = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^node\d+\.json$/.test(name))
    : [];
  const files =
    file === undefined ? complete.sort().map((name) => path.join(folder, name)) : [file];
  /** @type {Run[]} */
  const runs = files.map((name) => ({
    ...JSON.parse(readFileSync(name, 'utf8')),
    ...(file === undefined ? concurrencyBeside(name) : {}),
  }));
  const chart = await chartMaker();
  const body = `<h1>sockscope: benchmarks</h1>
<p class="note">${method}</p>
${overview(runs)}
${runs.map((run) => runSection(run, chart)).join('\n')}`;
  const out =
    file === undefined ? path.join(folder, 'report.html') : file.replace(/(\.json)?$/, '.html');
  writeFileSync(out, page('sockscope: benchmarks', body));
  return out;
}
