import './use-poll-reactor';
import { operationSuite } from './io-operation-suite';

operationSuite();
