// Reads a file without a moment in which nobody reads: `node reader.ts PATH`.
import { DatabaseSync } from 'node:sqlite'
import { turn } from '@apalis/core'

const [path = ''] = process.argv.slice(2)
let [one, other] = [new DatabaseSync(path), new DatabaseSync(path)]
one.exec('BEGIN')
for (let round = 0; ; round += 1) {
  one.prepare('SELECT count(*) FROM filler').get()
  other.exec('BEGIN')
  other.prepare('SELECT count(*) FROM filler').get()
  one.exec('COMMIT')
  if (round === 0) console.log('reading')
  ;[one, other] = [other, one]
  await turn()
}
