import { describe } from 'vitest';

describe('SOCKSCOPE_REACTOR=poll', async () => {
  process.env['SOCKSCOPE_REACTOR'] = 'poll';
  // Read when the binding is loaded, which the import does.
  const { describeReactor } = await import('./reactor-suite');
  describeReactor('poll');
});
