// The charts of the report, drawn by Apache ECharts into SVG: the page needs no script.
import { importOpponent } from '../opponents/index.mjs';
import { unitTitles } from '../net/table.mjs';
import { digits } from '../text.mjs';

const WIDTH = 1000;
const ROW = 26;
const colours = {
  user: '#d9822b',
  system: '#7a8ca3',
  rate: '#4a90c2',
  own: '#1f6f50',
  whisker: '#333',
};

/** @param {import('../net/index.mjs').CaseResult} one */
const isOwn = (one) => one.opponents.map(({ name }) => /^native/.test(name));

/**
 * A thin line from the lowest to the highest round, and the median as text behind it.
 * @param {number} grid @param {{ median: number, min: number, max: number }[]} spreads
 */
function whiskers(grid, spreads) {
  return {
    type: 'custom',
    xAxisIndex: grid,
    yAxisIndex: grid,
    silent: true,
    z: 10,
    data: spreads.map(({ min, max }, i) => [i, min, max]),
    renderItem: (_, api) => {
      const { median } = spreads[api.value(0)];
      const [left, y] = api.coord([api.value(1), api.value(0)]);
      const [right] = api.coord([api.value(2), api.value(0)]);
      const line = (x1, y1, x2, y2) => ({
        type: 'line',
        shape: { x1, y1, x2, y2 },
        style: { stroke: colours.whisker, lineWidth: 1 },
      });
      const end = Math.max(right, api.coord([median, api.value(0)])[0]) + 6;
      const text = {
        type: 'text',
        style: {
          x: end,
          y,
          text: digits(median),
          verticalAlign: 'middle',
          fontSize: 12,
          fill: '#222',
        },
      };
      return {
        type: 'group',
        children: [
          line(left, y, right, y),
          line(left, y - 3, left, y + 3),
          line(right, y - 3, right, y + 3),
          text,
        ],
      };
    },
  };
}

/**
 * @param {number} grid @param {string} name @param {(number | object)[]} data @param {object}
 *   [more]
 */
function bars(grid, name, data, more = {}) {
  return { type: 'bar', name, xAxisIndex: grid, yAxisIndex: grid, barWidth: '62%', data, ...more };
}

/**
 * @param {import('../net/index.mjs').ScenarioResult} scenario @param
 *   {import('../net/index.mjs').CaseResult} one
 */
function options(scenario, one) {
  const { cpu, rate } = unitTitles(scenario.unit);
  const summaries = one.opponents.map(({ summary }) => summary);
  const own = isOwn(one);
  const idle = scenario.mode === 'idle';
  const costs = scaled(summaries, 'cpu', 1);
  const of = (/** @type {string} */ name) => summaries.map((summary) => summary[name].median);
  const right = idle
    ? { title: 'KiB of memory per connection', spreads: scaled(summaries, 'grown', 1 / 1024) }
    : { title: rate, spreads: scaled(summaries, 'rate', 1) };
  const category = (/** @type {number} */ gridIndex, /** @type {boolean} */ show) => ({
    type: 'category',
    gridIndex,
    inverse: true,
    data: one.opponents.map(({ label }) => label),
    axisLabel: { show, width: 250, overflow: 'truncate' },
    axisTick: { show: false },
  });
  const value = (
    /** @type {number} */ gridIndex,
    /** @type {string} */ name,
    /** @type {{ max: number }[]} */ spreads,
  ) => ({
    type: 'value',
    // Bars and whiskers share it, and the numbers behind them need room.
    max: ({ max }) => Math.max(max, ...spreads.map((spread) => spread.max)) * 1.15,
    axisLabel: { showMaxLabel: false },
    gridIndex,
    name,
    nameLocation: 'middle',
    nameGap: 24,
    splitNumber: 4,
  });
  return {
    animation: false,
    textStyle: { fontFamily: 'sans-serif' },
    legend: { top: 0, left: 260, data: ['user', 'system'] },
    grid: [
      { left: 260, width: 330, top: 28, bottom: 40 },
      { left: 650, width: 280, top: 28, bottom: 40 },
    ],
    xAxis: [value(0, cpu, costs), value(1, right.title, right.spreads)],
    yAxis: [category(0, true), category(1, false)],
    series: [
      bars(0, 'user', of('user'), { stack: 'cpu', itemStyle: { color: colours.user } }),
      bars(0, 'system', of('system'), { stack: 'cpu', itemStyle: { color: colours.system } }),
      whiskers(0, costs),
      bars(
        1,
        right.title,
        right.spreads.map((spread, i) => ({
          value: spread.median,
          itemStyle: { color: own[i] ? colours.own : colours.rate },
        })),
      ),
      whiskers(1, right.spreads),
    ],
  };
}

/**
 * @param {Record<string, import('../statistics.mjs').Spread>[]} summaries @param {string} name
 *   @param {number} factor
 */
function scaled(summaries, name, factor) {
  return summaries.map(({ [name]: { median, min, max } }) => ({
    median: median * factor,
    min: min * factor,
    max: max * factor,
  }));
}

/**
 * Something that draws a case as SVG; undefined if the library is not installed.
 */
export async function chartMaker() {
  let echarts;
  try {
    echarts = await importOpponent('echarts');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return undefined;
  }
  return (
    /** @type {import('../net/index.mjs').ScenarioResult} */ scenario,
    /** @type {import('../net/index.mjs').CaseResult} */ one,
  ) => {
    const height = 68 + ROW * one.opponents.length;
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
    chart.setOption(options(scenario, one));
    const svg = chart.renderToSVGString();
    chart.dispose();
    return svg;
  };
}
