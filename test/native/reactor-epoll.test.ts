import { describe } from 'vitest';

describe.runIf(process.platform === 'linux')('SOCKSCOPE_REACTOR=epoll', async () => {
  process.env['SOCKSCOPE_REACTOR'] = 'epoll';
  // The import loads the binding, which reads the variable.
  const { describeReactor } = await import('./reactor-suite');
  describeReactor('epoll');
});
