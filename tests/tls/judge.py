"""What sslyze found, and whether it is as docs/tls.md says: judge.py RESULT.json"""

import json
import sys

# Authenticated encryption with forward secrecy, and nothing else.
TLS_1_2 = {
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
}
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
CURVES = {"X25519", "secp256r1", "secp384r1"}


def suites(result, name):
    return {accepted["cipher_suite"]["name"] for accepted in result[name]["accepted_cipher_suites"]}


def judged(scan):
    """Pairs of what is asked and whether it is so."""
    result = {name: part["result"] for name, part in scan.items() if part["status"] == "COMPLETED"}
    for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        yield f"no {old}", suites(result, f"{old}_cipher_suites") == set()
    yield "TLS 1.2 with sound suites alone", suites(result, "tls_1_2_cipher_suites") == TLS_1_2
    yield "TLS 1.3", suites(result, "tls_1_3_cipher_suites") == TLS_1_3
    yield "no Heartbleed", not result["heartbleed"]["is_vulnerable_to_heartbleed"]
    yield "no CCS injection", not result["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    yield "no ROBOT", result["robot"]["robot_result"].startswith("NOT_VULNERABLE")
    yield "no compression", not result["tls_compression"]["supports_compression"]
    renegotiation = result["session_renegotiation"]
    yield "no renegotiation by clients", not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    yield "secure renegotiation", renegotiation["supports_secure_renegotiation"]
    yield "extended master secret", result["tls_extended_master_secret"]["supports_ems_extension"]
    curves = {curve["name"] for curve in result["elliptic_curves"]["supported_curves"]}
    yield f"sound curves alone: {sorted(curves)}", curves == CURVES
    yield "no early data", not result["tls_1_3_early_data"]["supports_early_data"]
    deployments = result["certificate_info"]["certificate_deployments"]
    yield "two kinds of keys", len(deployments) == 2
    for deployment in deployments:
        yield "a chain that is verified", any(
            path["was_validation_successful"] for path in deployment["path_validation_results"]
        )
        yield "a chain in order", deployment["received_chain_has_valid_order"] is True
    header = result["http_headers"]["strict_transport_security_header"]
    yield "HSTS", header is not None and header["max_age"] == 86_400


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        [server] = json.load(file)["server_scan_results"]
    if server["scan_status"] != "COMPLETED":
        sys.exit(f"sslyze: {server['scan_status']} {server.get('connectivity_error_trace')}")
    wrong = [what for what, is_so in judged(server["scan_result"]) if not is_so]
    for what in wrong:
        print(f"not so: {what}")
    if wrong:
        sys.exit(1)
    print("ok: sslyze")


main()
