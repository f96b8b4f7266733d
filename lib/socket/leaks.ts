import type { Descriptor } from './descriptor';

interface Watched {
  readonly descriptor: Descriptor;
  readonly what: string;
  readonly creation: string | undefined;
}

/** `SOCKSCOPE_DEBUG=1` records where each socket was created: a stack trace per socket, so not for production. */
const recordCreation = (process.env['SOCKSCOPE_DEBUG'] ?? '') !== '' && process.env['SOCKSCOPE_DEBUG'] !== '0';

const registry = new FinalizationRegistry<Watched>(({ descriptor, what, creation }) => {
  const { fd } = descriptor;
  if (fd < 0) return;
  descriptor.close();
  const detail = creation ?? 'Set SOCKSCOPE_DEBUG=1 to see where it was created.';
  process.emitWarning(`${what} (fd ${String(fd)}) was garbage-collected unclosed; its fd has been closed. ${detail}`, {
    type: 'ResourceWarning',
    code: 'SOCKSCOPE_UNCLOSED',
  });
});

/** Closes the descriptor, with a process warning, if `owner` is collected while it is open. */
export function closeWhenCollected(owner: object, descriptor: Descriptor, what: string): void {
  registry.register(owner, { descriptor, what, creation: recordCreation ? creationSite() : undefined }, descriptor);
}

/** To be called when the descriptor is closed or given away. */
export function forgetCollected(descriptor: Descriptor): void {
  registry.unregister(descriptor);
}

function creationSite(): string {
  const site: { stack?: unknown } = {};
  Error.captureStackTrace(site, closeWhenCollected);
  // A program may have replaced how stacks are made into text (Error.prepareStackTrace), by anything.
  const [, ...calls] = String(site.stack).split('\n');
  return `It was created:\n${calls.join('\n')}`;
}
