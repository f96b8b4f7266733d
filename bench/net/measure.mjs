// Measures one case of a scenario: all opponents take turns, round after round.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { turnOrder } from '../base.mjs';
import { calmest } from '../calm.mjs';
import { isInterrupted, runLoad, startServer } from './processes.mjs';
import { openVeth } from './veth.mjs';

/** At this rate or faster, connections have to open: slower ones fail the run. */
const CONNECTIONS_PER_SECOND = 500;

/**
 * The result of one turn. CPU is the server's, per unit of the scenario, in microseconds (per GB:
 * milliseconds).
 * @typedef {object} Sample
 * @property {number} cpu @property {number} user @property {number} system
 * @property {number} rate Units a second.
 * @property {number} [p50] @property {number} [p99] Microseconds.
 * @property {number} rss Bytes, at the end.
 * @property {number} [grown] Bytes of memory for each connection more.
 * @property {number} lost Percent.
 * @property {number} client CPU of the load generator, in percent of a core.
 * @property {number} others CPU of the rest of the machine meanwhile, in percent of a core.
 * @property {number} stolen Time that the hypervisor took meanwhile, in percent of a core.
 */

/**
 * @param {import('./processes.mjs').LoadResult} raw @param {import('./scenarios.mjs').Scenario}
 *   scenario
 * @param {boolean} isSource The server sends: datagrams that the receiver dropped count, too.
 * @returns {Sample}
 */
function sampleOf(raw, { unit, mode }, isSource) {
  const units = unit === 'GB' ? raw.bytes / 1e9 : raw.requests + (isSource ? raw.lost : 0);
  if (!(units > 0)) throw new Error('the server answered nothing');
  const scale = (unit === 'GB' ? 1e3 : 1e6) / units;
  const { user, system, rss, rssBefore } = raw.server;
  const others = raw.machine.busy - user - system - raw.client;
  return {
    cpu: (user + system) * scale,
    user: user * scale,
    system: system * scale,
    rate: units / raw.seconds,
    ...(raw.latency === undefined ? {} : { p50: raw.latency.p50, p99: raw.latency.p99 }),
    rss,
    ...(mode === 'idle' ? { grown: (rss - rssBefore) / raw.requests } : {}),
    lost: raw.lost === 0 ? 0 : (100 * raw.lost) / (raw.requests + raw.lost),
    client: (100 * raw.client) / raw.seconds,
    others: Math.max(0, (100 * others) / raw.seconds),
    stolen: (100 * raw.machine.steal) / raw.seconds,
  };
}

/** @param {Record<string, number>} load */
function loadArguments(load) {
  return Object.entries(load).flatMap(([name, value]) =>
    name === 'gro' ? ['--gro'] : [`--${name}`, String(value)],
  );
}

/**
 * @typedef {object} Turns
 * @property {import('./scenarios.mjs').Scenario} scenario @property
 *   {import('./scenarios.mjs').Case} one
 * @property {readonly string[]} names @property
 *   {ReturnType<import('./opponents.mjs').findOpponents>['found']} found
 * @property {string} loadGenerator @property {{ server: number, client: number } | undefined} pins
 * @property {{ rounds: number, seconds: number, warmup: number, requests: number }} settings
 * @property {(name: string, round: number) => void} onTurn
 */

/**
 * @param {Turns} turns
 * @returns {Promise<{ samples: Record<string, Sample[]>, failures: Record<string, string> }>}
 */
export async function measureCase(turns) {
  const folder = mkdtempSync(path.join(tmpdir(), 'ssb-'));
  const veth = turns.one.network === 'veth' ? openVeth() : undefined;
  const table = new CaseRun(turns, folder, veth);
  try {
    return await table.run();
  } finally {
    await table.close();
    veth?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class CaseRun {
  /** @type {Map<string, Awaited<ReturnType<typeof startServer>>>} */
  #servers = new Map();
  /** @type {Record<string, Sample[]>} */
  #samples = {};
  /** @type {Record<string, string>} */
  #failures = {};
  #turns;
  #folder;
  #veth;
  #sockets = 0;

  /**
   * @param {Turns} turns @param {string} folder @param {ReturnType<typeof openVeth> | undefined}
   *   veth
   */
  constructor(turns, folder, veth) {
    this.#turns = turns;
    this.#folder = folder;
    this.#veth = veth;
  }

  get #kind() {
    return this.#turns.one.kind ?? this.#turns.scenario.kind;
  }

  get #mode() {
    return this.#turns.one.mode ?? this.#turns.scenario.mode;
  }

  /** @param {string} name */
  #calmTurn(name) {
    const turn = () => this.#turn(name);
    // Other guests on the core do not change memory.
    return this.#mode === 'idle' ? turn() : calmest(turn);
  }

  get #pins() {
    return this.#turns.scenario.unpinned === true ? undefined : this.#turns.pins;
  }

  async run() {
    const { names, settings, onTurn } = this.#turns;
    for (let round = 0; round < settings.rounds; round++) {
      for (const name of turnOrder(names, round)) {
        if (name in this.#failures) continue;
        onTurn(name, round);
        try {
          (this.#samples[name] ??= []).push(await this.#calmTurn(name));
        } catch (error) {
          if (isInterrupted()) throw error;
          this.#failures[name] = error instanceof Error ? error.message : String(error);
          await this.#stop(name);
        }
      }
    }
    for (const name of Object.keys(this.#failures)) delete this.#samples[name];
    return { samples: this.#samples, failures: this.#failures };
  }

  /** @param {string} name @returns {Promise<Sample>} */
  async #turn(name) {
    const { scenario, one, loadGenerator, settings } = this.#turns;
    // A server lives through all rounds of a case, so that it is warm. Memory is measured in a
    // fresh process.
    if (this.#mode === 'idle') await this.#stop(name);
    const server = this.#servers.get(name) ?? (await this.#start(name));
    const { warmup, seconds, requests } = settings;
    const command = [
      ...(this.#veth?.inside ?? []),
      ...[
        loadGenerator,
        this.#mode,
        this.#kind === 'source' ? this.#sinkAddress() : server.address,
        ...loadArguments(one.load),
      ],
      ...[
        '--server',
        server.pids.join(','),
        '--warmup',
        String(warmup),
        '--seconds',
        String(seconds),
        '--requests',
        String(requests),
      ],
    ];
    try {
      const opening = (one.load.connections ?? 1) / CONNECTIONS_PER_SECOND;
      const raw = await runLoad(
        command,
        this.#pins?.client,
        warmup + seconds + opening,
        (address) => server.program.tell(`send ${address}`),
      );
      return sampleOf(raw, scenario, this.#kind === 'source');
    } catch (error) {
      // The server's own stderr has the reason.
      throw server.program.complaint === ''
        ? error
        : new Error(`${String(error)}${server.program.complaint}`, { cause: error });
    } finally {
      if (this.#kind === 'source') server.program.tell('stop');
    }
  }

  #sinkAddress() {
    if (this.#turns.scenario.transport === 'unix-dgram') return `unix-dgram:${this.#path()}`;
    return `udp:${this.#veth?.there ?? '127.0.0.1'}:0`;
  }

  #path() {
    return path.join(this.#folder, String(this.#sockets++));
  }

  /** @param {string} name */
  async #start(name) {
    const { scenario, one, found } = this.#turns;
    const { transport } = scenario;
    const { stream, datagram, settings } = found[name];
    const isStream = transport === 'tcp' || transport === 'unix';
    const address = transport.startsWith('unix')
      ? `${transport}:${this.#path()}`
      : `${transport}:${this.#veth?.here ?? '127.0.0.1'}:0`;
    const chosen = Object.entries({ ...one.settings, ...settings }).map((setting) =>
      setting.join('='),
    );
    const server = await startServer(
      [...(isStream ? stream : datagram), this.#kind, address, ...chosen],
      this.#pins?.server,
    );
    this.#servers.set(name, server);
    return server;
  }

  /** @param {string} name */
  async #stop(name) {
    const server = this.#servers.get(name);
    this.#servers.delete(name);
    await server?.program.stop();
  }

  async close() {
    await Promise.all([...this.#servers.keys()].map((name) => this.#stop(name)));
  }
}
