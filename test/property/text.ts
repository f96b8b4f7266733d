import { HORIZON } from './program';
import type { AfterCatch, Block, Checkpoint, Program, ScopeStatement, Statement } from './program';

/** The program as JavaScript, like code written by hand. A failing property prints it. */
export function toText(program: Program): string {
  const signal = program.signal ? ', { signal: controllers[0].signal }' : '';
  return [
    'await backend.bootstrap(async () => {',
    ...indent([
      `const s0 = backend.moveOnAfter(${String(HORIZON)});`,
      'return s0.run(async () => {',
      ...indent(block(program.body)),
      '});',
    ]),
    `}${signal});`,
  ].join('\n');
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
const block = (statements: Block): string[] => statements.flatMap(statement);
const arrow = (before: string, body: Block, after: string): string[] =>
  body.length === 0
    ? [`${before}async () => {}${after}`]
    : [`${before}async () => {`, ...indent(block(body)), `}${after}`];

const scope = (id: number): string => `s${String(id)}`;

function checkpoint(one: Checkpoint): string {
  switch (one.type) {
    case 'sleep':
      return `backend.sleep(${String(one.delay)})`;
    case 'sleepUntil':
      return `backend.sleepUntil(${String(one.deadline)})`;
    case 'sleepForever':
      return 'backend.sleepForever()';
    case 'yield':
      return one.shielded ? 'backend.cancelShieldedCoroYield()' : 'backend.coroYield()';
    case 'waitEvent':
      return `event${String(one.event)}.wait()`;
    case 'waitFor':
      return `backend.waitFor(promise${String(one.promise)})`;
  }
}

function opening(one: ScopeStatement): string {
  const signal = one.signal === null ? '' : `, signal: controllers[${String(one.signal)}].signal`;
  return one.kind === 'openCancelScope'
    ? `openCancelScope({ deadline: ${String(one.time)}${signal} })`
    : `${one.kind}(${String(one.time)})`;
}

const after: Readonly<Record<AfterCatch, (id: number) => string | null>> = {
  swallow: () => null,
  rethrow: () => 'throw e;',
  replace: (id) => `throw new Error('E${String(id)}');`,
  blame: (id) => `throw new Error('E${String(id)}', { cause: e });`,
  wrap: (id) => `throw new AggregateError([e, new Error('E${String(id)}')]);`,
  'wrap alone': () => 'throw new AggregateError([e]);',
  'cancel anew': () => 'throw new CancelledError();',
  'cancel because': () => `throw new CancelledError('', { cause: e });`,
};

function statement(one: Statement): string[] {
  const id = String(one.id);
  switch (one.type) {
    case 'together':
      return [`await Promise.allSettled([${one.parts.map(checkpoint).join(', ')}]);`];
    case 'scope':
      return [
        `const s${id} = backend.${opening(one)};`,
        ...block(one.before),
        ...arrow(`await s${id}.run(`, one.body, ');'),
      ];
    case 'shield':
      return arrow('await backend.ignoreCancellation(', one.body, ');');
    case 'cancel':
      return [`${scope(one.scope)}.cancel();`];
    case 'reschedule':
      return [`${scope(one.scope)}.reschedule(backend.currentTime() + ${String(one.delay)});`];
    case 'observe':
      return [`observe(${scope(one.scope)});`];
    case 'abort':
      return [`controllers[${String(one.controller)}].abort();`];
    case 'group':
      return [
        `const g${id} = backend.createTaskGroup(), s${id} = g${id}.cancelScope;`,
        ...arrow(`await g${id}.run(`, one.body, ');'),
      ];
    case 'startSoon':
      return arrow(`g${String(one.group)}.startSoon(/* t${id} */ `, one.body, ');');
    case 'start':
      return arrow(`const t${id} = await g${String(one.group)}.start(`, one.body, ');');
    case 'gather':
      return [
        'await backend.gather(',
        ...indent(one.bodies.flatMap((body) => arrow('', body, ','))),
        ');',
      ];
    case 'task':
      return [`t${String(one.task)}.${one.call}();`];
    case 'await':
      return [`await t${String(one.task)}.${one.call}();`];
    case 'lock': {
      const lock = `lock${String(one.lock)}`;
      if (one.how === 'runExclusive') return arrow(`await ${lock}.runExclusive(`, one.body, ');');
      if (one.how === 'guard')
        return ['{', ...indent([`using _ = await ${lock}.acquire();`, ...block(one.body)]), '}'];
      return [
        `await ${lock}.acquire();`,
        'try {',
        ...indent(block(one.body)),
        '} finally {',
        `  ${lock}.release();`,
        '}',
      ];
    }
    case 'release':
      return [`lock${String(one.lock)}.release();`];
    case 'set':
      return [`event${String(one.event)}.set();`];
    case 'condition':
      return arrow(`await condition${String(one.condition)}.runExclusive(`, one.body, ');');
    case 'waitCondition':
      return [`await condition${String(one.condition)}.wait();`];
    case 'notify':
      return [
        `condition${String(one.condition)}.${one.count === null ? 'notifyAll()' : `notify(${String(one.count)})`};`,
      ];
    case 'settle':
      return [
        one.how === 'resolve'
          ? `resolve${String(one.promise)}();`
          : `reject${String(one.promise)}(new Error('E${id}'));`,
      ];
    case 'throw':
      return [one.what === 'error' ? `throw new Error('E${id}');` : 'throw new CancelledError();'];
    case 'throwAbort':
      return [`throwAbortError(${scope(one.scope)}.signal); // if it is aborted`];
    case 'try': {
      const last = after[one.then](one.id);
      const handler = [
        ...(one.all ? [] : ['if (e instanceof CancelledError) throw e;']),
        ...block(one.handler),
        ...(last === null ? [] : [last]),
      ];
      return ['try {', ...indent(block(one.body)), '} catch (e) {', ...indent(handler), '}'];
    }
    case 'finally':
      return [
        'try {',
        ...indent(block(one.body)),
        '} finally {',
        ...indent(block(one.finalizer)),
        '}',
      ];
    default:
      return [`await ${checkpoint(one)};`];
  }
}
