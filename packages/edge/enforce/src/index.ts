export { type FlowGateway, openFlowGateway } from './flow/flow-gateway.ts'
export {
  type FlowAddress,
  type FlowCut,
  type FlowGatewayOptions,
  type FlowObserver,
  type FlowRefusal,
  type FlowRoute,
  type FlowTimeouts,
  flowTimeouts,
} from './flow/flow-gateway-options.ts'
export { type FlowIdentity, type VerifiedFlow, flowTlvs, readFlowIdentity } from './flow/flow-identity.ts'
export { type ProxyHeaderParts, formatProxyHeader } from './flow/format-proxy-header.ts'
export { type ProxyRefusal, type ReadProxyHeader, readProxyHeader } from './flow/parse-proxy-header.ts'
export {
  type ProxyEnd,
  type ProxyHeader,
  type ProxyTlv,
  proxyHeaderBytesMax,
  proxyTlvTypes,
  proxyTlvsMax,
} from './flow/proxy-header.ts'
export {
  CallMemory,
  type CallMemoryOptions,
  type FoundCall,
  type TraceFields,
} from './sidecar/call-memory.ts'
export { HeldTokens, type HeldTokensOptions, type TokenWish } from './sidecar/held-tokens.ts'
export { type Destination, openOutbound, type OutboundOptions } from './sidecar/outbound.ts'
export { InboundCall } from './sidecar/inbound-call.ts'
export {
  openWorkloadApi,
  type WorkloadApiOptions,
  workloadApiDocument,
  workloadField,
  type WorkloadParts,
} from './sidecar/workload-api.ts'
export { EnforceError, type EnforceErrorDetails } from './enforce-errors.ts'
export { type ForwardAuth, openForwardAuth } from './forward-auth/forward-auth.ts'
export { type ForwardAuthOptions, type ForwardRoute } from './forward-auth/forward-auth-options.ts'
export { peersHere } from './question/question-options.ts'
export { type ForwardContract } from './forward-auth/original-request.ts'
export { type Answer, type Decision, type Guard, type Pass } from './gateway/decision.ts'
export { type Gateway, openGateway } from './gateway/gateway.ts'
export { type GatewayOptions, type GatewayRoute } from './gateway/gateway-options.ts'
export { type BoundAddress } from './gateway/listener.ts'
export { type RelayProblem, relayProblem, relayProblems } from './gateway/problem.ts'
export { type ProbeOptions, probeParameter, probeType } from './gateway/probe.ts'
export { sha256Prefix } from './gateway/probe-digest.ts'
export { type Relay, openRelay } from './gateway/relay.ts'
export { type CutCause, type RelayObserver } from './gateway/relay-observer.ts'
export {
  type ListenerOptions,
  type ListenerTls,
  type RelayLimits,
  type RelayOptions,
  type RelayTimeouts,
  relayLimits,
  relayTimeouts,
} from './gateway/relay-options.ts'
export { type RequestHead } from './gateway/request-head.ts'
export { type ExemptRule, type RouteMatch, type RoutePattern } from './gateway/route-table.ts'
export {
  type Upstream,
  type UpstreamAddress,
  type UpstreamOptions,
  type UpstreamTls,
} from './gateway/upstream.ts'
export {
  type GatewayThread,
  type GatewayThreads,
  type GatewayThreadsOptions,
  openGatewayThreads,
  serveGatewayThread,
} from './gateway/threads.ts'
