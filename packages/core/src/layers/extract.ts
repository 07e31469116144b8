import { isPromise } from '../internal/promise.ts'
import { anObject, func } from '../internal/validate.ts'
import { around } from '../service/around.ts'
import { ownLayer } from '../service/own-layer.ts'
import { orAborted } from '../service/cancellation.ts'
import { asRun, withData } from '../service/request.ts'
import type { FromRequest, ProvidingLayer, TaskRequest } from '../service/service.ts'

/** Extractors by the name under which the handler's `data` gets what they find. */
export type Extractors<in Args = unknown, in Data = unknown, in Context = unknown> = {
  readonly [name: string]: FromRequest<unknown, Args, Data, Context>
}

/** What a set of {@link Extractors} adds to the `data`. */
export type Extracted<Found extends Extractors<never, never, never>> = {
  readonly [Name in keyof Found]: Awaited<ReturnType<Found[Name]>>
}

/**
 * Runs the extractors one after the other, in the order of their names in the object, and adds what they find to the
 * `data` of what stands inside. A throw fails the attempt, and so does the signal, whose abort no extractor can hold up.
 * apalis's `FromRequest`.
 */
export function extract<Args, Data, Context, Found extends Extractors<Args, Data, Context>>(
  extractors: Found,
): ProvidingLayer<Extracted<Found>, Args, Data, Context> {
  const entries = Object.entries(anObject('extract', extractors))
  for (const [name, extractor] of entries) func(`extract.${name}`, extractor)
  const layer: ProvidingLayer<Extracted<Found>, Args, Data, Context> = (inner) =>
    around(inner, (request) => {
      const found: Record<string, unknown> = {}
      const pending = collect(entries, request, found)
      // `collect` has put one value under every name.
      const run = () => inner.call(withData(request, found as Extracted<Found>))
      return pending === undefined ? run() : pending.then(run)
    })
  return ownLayer(layer, { layerName: 'extract' })
}

/** Fills `found`; undefined when nothing had to be waited for. */
function collect<Req extends TaskRequest>(
  entries: readonly (readonly [string, (request: Req) => unknown])[],
  request: Req,
  found: Record<string, unknown>,
  from = 0,
): Promise<void> | undefined {
  for (const [index, [name, extractor]] of entries.entries()) {
    if (index < from) continue
    const value = extractor(request)
    if (isPromise(value)) {
      return orAborted(asRun(request).cancellation, value).then((settled) => {
        found[name] = settled
        return collect(entries, request, found, index + 1)
      })
    }
    found[name] = value
  }
  return undefined
}
