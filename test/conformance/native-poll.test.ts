import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { testBackend } from '#lib/conformance/index';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

expectNoLeaks();

it('runs with the poll reactor, which the project `poll` chooses', () => {
  expect(nativeBinding().reactorKind()).toBe('poll');
});

testBackend({ describe, it }, { ...native, name: 'native, by poll' });
