import { createRequire } from 'node:module';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { nativeBindingPath } from '#lib/binding';
import { parse } from '../architecture/source-tree';

/** The names of the members of an interface of lib/binding.ts. */
function membersOf(name: string): string[] {
  const found = parse('lib/binding.ts').statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  );
  if (found === undefined || !ts.isInterfaceDeclaration(found))
    throw new Error(`lib/binding.ts has no interface ${name}`);
  return found.members.map((member) => member.name?.getText() ?? '');
}

describe('the exports of the addon', () => {
  const addon = createRequire(import.meta.url)(nativeBindingPath()) as {
    open: () => Record<string, unknown>;
  };
  const binding = addon.open();

  it('are the members that lib/binding.ts declares', () => {
    expect(Object.keys(addon)).toEqual(membersOf('Addon'));
    const declared = [...membersOf('NativeBinding'), ...membersOf('LoadedBinding')];
    expect(declared.length).toBeGreaterThan(40);
    expect(Object.keys(binding).sort()).toEqual(declared.sort());
  });

  it('are functions under their own names, and two objects', () => {
    const { constants, limits, ...functions } = binding;
    expect([typeof constants, typeof limits]).toEqual(['object', 'object']);
    for (const [name, value] of Object.entries(functions))
      expect([typeof value, (value as () => void).name], name).toEqual(['function', name]);
  });
});
