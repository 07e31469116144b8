import { isPromise } from '../../src/internal/promise.ts'
import { Permits } from '../../src/layers/permits.ts'
import { asRun } from '../../src/service/request.ts'
import type { Layer, Service, TaskRequest } from '../../src/service/service.ts'
import type { StackTwin } from './stack-twin.ts'

/** A limit that gives the permit of a failed call back twice: each failure makes it larger by one. */
export const doubleRelease: StackTwin = {
  name: 'double release of a permit',
  invariants: ['bounded'],
  stack: { name: 'released twice', limit: 2, layers: () => [leaky(2)] },
}

function leaky(limit: number): Layer {
  const permits = new Permits(limit)
  const layer: Layer = (inner) => new LeakyService(inner, permits)
  return Object.assign(layer, { layerName: 'leaky', boundsInFlight: true })
}

class LeakyService<Req extends TaskRequest, Res> implements Service<Req, Res> {
  readonly #inner: Service<Req, Res>
  readonly #permits: Permits
  readonly #user: ReturnType<Permits['join']>

  constructor(inner: Service<Req, Res>, permits: Permits) {
    this.#inner = inner
    this.#permits = permits
    this.#user = permits.join()
  }

  capacity(): number {
    return Math.max(0, this.#permits.free(this.#user))
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#permits.ready(this.#user, signal)
  }

  async call(request: Req): Promise<Awaited<Res>> {
    if (!this.#permits.take(this.#user)) {
      await this.#permits.taking(this.#user, asRun(request).cancellation)
    }
    try {
      const result = this.#inner.call(request)
      return isPromise(result) ? await result : await Promise.resolve(result)
    } catch (error) {
      this.#permits.release()
      throw error
    } finally {
      this.#permits.release()
    }
  }
}
