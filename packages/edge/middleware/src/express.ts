import type { RequestHandler } from 'express'
import type { QuantumIpCall } from './call.ts'
import { guardNode } from './lib/node-guard.ts'
import type { QuantumIp } from './quantum-ip.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- what Express has for declaring members of a request
  namespace Express {
    interface Request {
      /** Behind the middleware of Quantum IP: who calls. */
      quantumIp: QuantumIpCall
    }
  }
}

/** Middleware for Express 5: what is used behind it is called for requests that may go on; all others are answered here. */
export function expressQuantumIp(quantumIp: QuantumIp): RequestHandler {
  return (request, response, next) => {
    guardNode(quantumIp, { request, response, target: request.originalUrl }, (call) => {
      request.quantumIp = call
      next()
    })
  }
}
