import { operationSuite } from './io-operation-suite';

operationSuite();
