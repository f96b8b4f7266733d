import { describe } from 'vitest';

describe('SOCKSCOPE_REACTOR=poll', async () => {
  process.env['SOCKSCOPE_REACTOR'] = 'poll';
  // The import loads the binding, which reads the variable.
  const { describeReactor } = await import('./reactor-suite');
  describeReactor('poll');
});
