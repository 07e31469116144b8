// Other arguments, other results, other errors; and a look at all of them.
// #region example
import { AbortError, json, mapError, mapRequest, MemoryStorage, tap } from '@apalis/core'
import { optional, timeout, WorkerBuilder } from '@apalis/core'

const pages = new MemoryStorage().queue('pages', {
  args: json<{ url: string }>(),
  result: json<{ bytes: number }>(),
})

const worker = new WorkerBuilder('crawler')
  .backend(pages)
  .layer(optional(process.env['DEBUG'] === '1' ? undefined : timeout('10s')))
  .layer(tap({ error: (error) => console.log('went wrong:', String(error)) }))
  .layer(mapError((error) => (isGone(error) ? new AbortError(error) : error)))
  .layer(mapRequest(({ url }) => ({ url: url.toLowerCase() })))
  .mapResult((body: string) => ({ bytes: body.length })) // handlers give text
  .build(({ url }) => download(url))
// #endregion

async function download(url: string): Promise<string> {
  console.log('get', url)
  if (url.endsWith('/gone')) throw new Error('410 Gone')
  return `<p>${url}</p>`
}

function isGone(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('410')
}

const good = await pages.push({ url: 'https://EXAMPLE.com' })
const bad = await pages.push({ url: 'https://example.com/gone' })
await worker.runUntil(Promise.allSettled([pages.result(good), pages.result(bad)]))
console.log(await pages.result(good))
console.log((await pages.fetchById(bad))?.parts.status)

// Output:
// get https://example.com
// get https://example.com/gone
// went wrong: AbortError: 410 Gone
// { bytes: 26 }
// killed
