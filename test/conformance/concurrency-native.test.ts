import { describe, it } from 'vitest';
import { testGroups } from '#lib/testing/conformance/groups';
import { testLocks } from '#lib/testing/conformance/locks';
import { testRunning } from '#lib/testing/conformance/running';
import { testScopes } from '#lib/testing/conformance/scopes';
import { testTasks } from '#lib/testing/conformance/tasks';
import { native } from './subjects';

const runner = { describe, it };
testRunning(runner, native);
testScopes(runner, native);
testGroups(runner, native);
testTasks(runner, native);
testLocks(runner, native);
