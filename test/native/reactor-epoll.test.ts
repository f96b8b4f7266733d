import { describe } from 'vitest';

describe.runIf(process.platform === 'linux')('SOCKSCOPE_REACTOR=epoll', async () => {
  process.env['SOCKSCOPE_REACTOR'] = 'epoll';
  // Read when the binding is loaded, which the import does.
  const { describeReactor } = await import('./reactor-suite');
  describeReactor('epoll');
});
