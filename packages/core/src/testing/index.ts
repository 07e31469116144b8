// For tests of handlers.
export { type TaskEnd, TestWorker } from './test-worker.ts'
export { TestClock } from './test-clock.ts'

// For tests of layers and extractors.
export { TestRequest, testRequest, type TestRequestOptions } from './test-request.ts'
export { TestContext } from './test-context.ts'
export { type MockCall, mockService, type MockService } from './mock-service.ts'

// For tests of storages, and of what uses one that fails.
export {
  type FaultOptions,
  FaultyStore,
  type HeldCall,
  type StoreArgs,
  type StoreOperation,
} from './faulty-store.ts'
export { conformance } from './conformance/index.ts'
export { simulate, type SimulatedRun, type SimulateOptions } from './simulation/simulate.ts'
export { type Invariant, InvariantError, isInvariantError } from './invariant-error.ts'
export type {
  CallerTransaction,
  Capability,
  Case,
  ConformanceOptions,
  Harness,
  Producer,
} from './harness.ts'
