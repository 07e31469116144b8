import { JsonStorage } from '../../../src/storage/json/json-storage.ts'

// Pushes until a push fails, and says which ones did not, and why.
const [path = ''] = process.argv.slice(2)
const storage = await JsonStorage.open(path)
const queue = storage.queue<string>('texts')
let stored = 0
let refused: unknown
while (refused === undefined) {
  try {
    await queue.push('x'.repeat(1_000), { id: `task-${stored}` })
    stored += 1
  } catch (error) {
    refused = error instanceof Error ? error.cause : error
  }
}
const second: unknown = await queue.push('y').catch((error: unknown) => error)
const closing: unknown = await storage.close().catch((error: unknown) => error)
console.log(JSON.stringify({ stored, errors: [refused, second, closing].map(String) }))
