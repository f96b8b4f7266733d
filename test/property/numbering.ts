import type { Block, Program, Statement } from './program';

/** The ids that a statement may refer to, the nearest first. */
interface Surroundings {
  readonly scopes: readonly number[];
  readonly groups: readonly number[];
  /** The tasks that the statement is part of, the innermost first. */
  readonly tasks: readonly number[];
}

/**
 * Gives each statement its id, in the order of the text, and turns references into ids. References
 * are generated as random numbers, and a small number means a near statement. A statement with no
 * possible target for its reference is left out.
 */
export function numbered(program: Program): Program {
  let last = 0;
  // The ids that may exist at this point of the text.
  const scopes: number[] = [0];
  const groups: number[] = [];
  const tasks: number[] = [];

  const choose = (
    pick: number,
    near: readonly number[],
    all: readonly number[],
  ): number | undefined => {
    const candidates = [...near, ...all.filter((id) => !near.includes(id)).reverse()];
    return candidates[pick % candidates.length];
  };
  const block = (statements: Block, around: Surroundings): Block =>
    statements.flatMap((one) => statement(one, around) ?? []);

  function statement(raw: Statement, around: Surroundings): Statement | undefined {
    const id = ++last;
    switch (raw.type) {
      case 'together':
        return { ...raw, id, parts: raw.parts.map((part) => ({ ...part, id: ++last })) };
      case 'scope': {
        scopes.push(id);
        const before = block(raw.before, around);
        return {
          ...raw,
          id,
          before,
          body: block(raw.body, { ...around, scopes: [id, ...around.scopes] }),
        };
      }
      case 'group':
        scopes.push(id);
        groups.push(id);
        return {
          ...raw,
          id,
          body: block(raw.body, {
            ...around,
            scopes: [id, ...around.scopes],
            groups: [id, ...around.groups],
          }),
        };
      case 'startSoon':
      case 'start': {
        const group = choose(raw.group, around.groups, groups);
        if (group === undefined) return undefined;
        if (raw.type === 'start') tasks.push(id);
        return {
          ...raw,
          id,
          group,
          body: block(raw.body, { ...around, tasks: [id, ...around.tasks] }),
        };
      }
      case 'gather':
        return {
          ...raw,
          id,
          bodies: raw.bodies.map((body) =>
            block(body, { ...around, tasks: [id, ...around.tasks] }),
          ),
        };
      case 'cancel':
      case 'reschedule':
      case 'observe': {
        const scope = choose(raw.scope, around.scopes, scopes);
        return scope === undefined || (scope === 0 && raw.type === 'reschedule')
          ? undefined
          : { ...raw, id, scope };
      }
      case 'throwAbort': {
        const scope = choose(raw.scope, around.scopes, []);
        return scope === undefined ? undefined : { ...raw, id, scope };
      }
      case 'task': {
        const task = choose(raw.task, [], tasks);
        return task === undefined ? undefined : { ...raw, id, task };
      }
      case 'await': {
        // A wait for a task that the statement is part of would last for ever; a wait of a task
        // for itself is refused.
        const [self, ...ancestors] = around.tasks;
        const others = tasks.filter((task) => !around.tasks.includes(task)).reverse();
        const own =
          self !== undefined && tasks.includes(self) && !ancestors.includes(self) ? [self] : [];
        const task = choose(raw.task, others, own);
        return task === undefined ? undefined : { ...raw, id, task };
      }
      case 'shield':
      case 'lock':
      case 'condition':
        return { ...raw, id, body: block(raw.body, around) };
      case 'try':
        return { ...raw, id, body: block(raw.body, around), handler: block(raw.handler, around) };
      case 'finally':
        return {
          ...raw,
          id,
          body: block(raw.body, around),
          finalizer: block(raw.finalizer, around),
        };
      default:
        return { ...raw, id };
    }
  }

  return { ...program, body: block(program.body, { scopes: [0], groups: [], tasks: [] }) };
}
