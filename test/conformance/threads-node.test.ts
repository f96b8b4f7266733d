import { describe, it } from 'vitest';
import { testExecutor } from '#lib/conformance/executor';
import { testThreads } from '#lib/conformance/threads';
import { testThreadsPortal } from '#lib/conformance/threads-portal';
import { expectNoLeaks } from '../support/fds';
import { node } from './subjects';

expectNoLeaks();
const runner = { describe, it };
testThreads(runner, node);
testThreadsPortal(runner, node);
testExecutor(runner, node);
