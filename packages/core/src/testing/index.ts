// For tests of handlers.
export { perform, type PerformOptions, type PerformQueue } from './perform.ts'
export { assertNotPushed, assertPushed, type PushedCount } from './pushed.ts'
export type { ListedQueue } from './task-pages.ts'
export type { PartOf, TaskPattern } from './task-pattern.ts'
export {
  type AcceptedBy,
  drain,
  type DrainableQueue,
  type DrainOptions,
  type RunnerOf,
} from './drain.ts'
export { type Drained, type DrainedEnd, DrainError, isDrainError } from './drained.ts'
export type { Runner, WorkerBuild } from './runner.ts'
export type { TaskEnd } from './task-end.ts'
export { TestWorker } from './test-worker.ts'
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
export { model, ModelError, type ModelOptions, type ModelReport } from './model/model.ts'
export {
  simulation,
  type SimulationOptions,
  type SimulationReport,
} from './simulation/simulation.ts'
export { simulate, type SimulatedRun, type SimulateOptions } from './simulation/simulate.ts'
export { LostAnswer } from './simulation/lost-answer.ts'
export { type FailedSeed, SimulationError } from './simulation/simulation-error.ts'
export type { SimulatedJob, SimulatedStack, StackTools } from './simulation/stacks.ts'
export type { SimulationReduction } from './simulation/plan.ts'
export type { FaultKind } from './simulation/faults.ts'
export { type Invariant, InvariantError, isInvariantError } from './invariant-error.ts'
export type {
  BareHarness,
  CallerTransaction,
  Capability,
  Case,
  ConformanceOptions,
  ExchangingStore,
  Harness,
} from './harness.ts'
