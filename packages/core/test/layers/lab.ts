import type { Layer, Service, TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { testRequest } from '../../src/testing/test-request.ts'

/** A service as a limiting layer makes it. */
export type Guarded = Service<TaskRequest, unknown> & Required<Service<never, never>>

/** A signal that never aborts. */
export const never: AbortSignal = new AbortController().signal

/** One user of a layer: its service around a mock, with a clock and a worker of its own unless they are given. */
export function user(
  layer: Layer,
  {
    clock = new TestClock(),
    worker = new TestContext(),
  }: { readonly clock?: TestClock; readonly worker?: TestContext } = {},
) {
  const mock = mockService<TaskRequest, unknown>()
  // What a layer that limits nothing lacks, its tests do not ask for.
  const service = layer(mock.service) as Guarded
  const call = (args?: unknown) => {
    const request = testRequest(args, { clock, worker })
    const result = new Promise<unknown>((resolve) => {
      resolve(service.call(request))
    })
    result.catch(() => {})
    return { request, result }
  }
  /** Makes a call and ends it. */
  const pass = async (how: 'respond' | 'fail' = 'respond', value: unknown = how) => {
    const { result } = call()
    const inside = await mock.request()
    inside[how](value)
    await Promise.allSettled([result])
  }
  return { mock, service, call, pass, clock, worker }
}

/** Whether a promise has settled by now, once the clock is at rest. */
export async function settled(promise: Promise<unknown>, clock: TestClock): Promise<boolean> {
  let done = false
  const mark = (): void => {
    done = true
  }
  promise.then(mark, mark)
  await clock.settle()
  return done
}
