import { describe, it } from 'vitest';
import { testGroups } from '#lib/conformance/groups';
import { testLocks } from '#lib/conformance/locks';
import { testRunning } from '#lib/conformance/running';
import { testScopes } from '#lib/conformance/scopes';
import { testTasks } from '#lib/conformance/tasks';
import { node } from './subjects';

const runner = { describe, it };
testRunning(runner, node);
testScopes(runner, node);
testGroups(runner, node);
testTasks(runner, node);
testLocks(runner, node);
