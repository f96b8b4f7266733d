import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../support/child';
import { expectExample, promised } from '../support/examples';

/** The JavaScript of README.md, block by block, each under the heading that it stands below. */
function examples(): { readonly heading: string; readonly code: string }[] {
  const text = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  const found: { heading: string; code: string }[] = [];
  let heading = '';
  for (const match of text.matchAll(/^#+ (.*)$|^```js\n([\s\S]*?)^```$/gm)) {
    if (match[1] !== undefined) heading = match[1];
    else found.push({ heading, code: match[2] ?? '' });
  }
  return found;
}

describe('README.md', () => {
  it('has examples', () => {
    expect(examples().length).toBeGreaterThan(5);
    for (const { code } of examples()) expect(promised(code)).not.toEqual([]);
  });

  it.each(
    examples().map(
      ({ heading, code }, index) => [`${String(index + 1)}, ${heading}`, code] as const,
    ),
  )('example %s prints what it says', async (_name, code) => {
    await expectExample(code);
  });
});
