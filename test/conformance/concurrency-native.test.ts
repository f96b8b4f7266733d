import { describe, it } from 'vitest';
import { testGroups } from '#lib/conformance/groups';
import { testLocks } from '#lib/conformance/locks';
import { testRunning } from '#lib/conformance/running';
import { testScopes } from '#lib/conformance/scopes';
import { testTasks } from '#lib/conformance/tasks';
import { native } from './subjects';

const runner = { describe, it };
testRunning(runner, native);
testScopes(runner, native);
testGroups(runner, native);
testTasks(runner, native);
testLocks(runner, native);
