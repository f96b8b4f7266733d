// The report: one HTML file that needs nothing else, made of the summaries of runs. Each table has
// all versions of Node.js.
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readSummary } from '../summary.mjs';
import { caseSections, scenarioNames } from './cases.mjs';
import { environmentTable } from './environment.mjs';
import { escape, page } from './html.mjs';
import { modeSections } from './modes.mjs';
import { losses, overview } from './overview.mjs';

const method = `Server and client run on different cores. Opponents take turns within each round,
and each turn begins with a warm-up. Numbers are medians of the rounds; ± is half of their range.
Every echo is compared with what was sent, byte for byte. CPU is that of all threads of the server,
from <code>/proc/PID/stat</code>: the kernel knows the sum exactly, and estimates its split into
user (orange) and system (grey) from its timer interrupts, so that the split is less certain than
the sum. <i>client full</i>: the load generator had no time left, so that the rate is its own, and
only the CPU time compares. <i>disturbed</i>: something else ran on the machine. <i>core stolen</i>:
the hypervisor gave the cores to others, in the calmest of four tries, too; what it stole counts as
the server's CPU.`;

/** @param {readonly import('../summary.mjs').Summary[]} runs */
function body(runs) {
  const links = scenarioNames(runs)
    .map((name) => `<a href="#${escape(name)}">${escape(name)}</a>`)
    .join('');
  return `<h1>sockscope: benchmarks</h1>
<p class=note>${method}
${overview(runs)}
${losses(runs)}
<nav>${links}</nav>
${caseSections(runs)}
${modeSections(runs)}
<h2>Measured on</h2>
${environmentTable(runs)}`;
}

/**
 * @param {string} file @param {readonly import('../summary.mjs').Summary[]} runs
 * @returns {string} The file.
 */
export function writeReport(file, runs) {
  writeFileSync(file, page('sockscope: benchmarks', body(runs)));
  return file;
}

/**
 * The report of all complete runs: node20.json, …
 * @param {string} folder Of results.
 */
export function writeCompleteReport(folder) {
  const names = readdirSync(folder).filter((name) => /^node\d+\.json$/.test(name));
  const runs = names.sort().map((name) => readSummary(path.join(folder, name)));
  return writeReport(path.join(folder, 'report.html'), runs);
}
