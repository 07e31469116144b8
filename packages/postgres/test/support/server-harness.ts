import { findPostgres } from './server.ts'
import { type UrlHarness, urlHarness } from './url-harness.ts'

const found = findPostgres()

/** Why there is no server to run on. */
export const missing: string | undefined = found.missing

/** Stores between which and the server nothing stands. */
export const serverHarness: UrlHarness = urlHarness(async () => {
  if (found.open === undefined) throw new Error(found.missing)
  return found.open()
})
