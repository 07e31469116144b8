// Takes the first step of the schema and does not commit it: `node interrupted.ts PATH`.
import { DatabaseSync } from 'node:sqlite'
import { setInterval } from 'node:timers'
import { migrations } from '../../src/schema.ts'

const [path = ''] = process.argv.slice(2)
const connection = new DatabaseSync(path)
connection.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
connection.exec(migrations[0]?.sql ?? '')
console.log('halfway')
setInterval(() => connection.isOpen, 1_000)
