# Installs the self-hosted integration runtime on a Windows machine in the district's network and registers it.
# Run it as administrator; again, it registers the machine again, and does not install anew.
#
#     .\08_self_hosted_runtime.ps1 -Installer C:\Downloads\IntegrationRuntime.msi
#
# The installer comes from Microsoft's download centre ("Microsoft Integration Runtime"). The key is asked for:
# `infra/first_time/08_self_hosted_runtime.sh TARGET key` prints it.
#Requires -RunAsAdministrator
param(
    [Parameter(Mandatory = $true)][string]$Installer,
    [string]$Node = $env:COMPUTERNAME
)
$ErrorActionPreference = 'Stop'

$program = Join-Path $env:ProgramFiles 'Microsoft Integration Runtime\5.0\Shared\dmgcmd.exe'
if (-not (Test-Path $program)) {
    $setup = Start-Process msiexec.exe -ArgumentList '/i', "`"$Installer`"", '/quiet' -Wait -PassThru
    if ($setup.ExitCode -ne 0) { throw "msiexec ended with $($setup.ExitCode)" }
}
$key = Read-Host -AsSecureString -Prompt 'Key of the runtime'
& $program -RegisterNewNode ([Net.NetworkCredential]::new('', $key).Password) $Node
Remove-Variable key

# the check: Connected, within a minute or two
foreach ($attempt in 1..12) {
    $state = & $program -cgc
    if ("$state" -like '*Connected*' -and "$state" -notlike '*Not*') { break }
    Start-Sleep -Seconds 10
}
"$Node $((Get-Item $program).VersionInfo.ProductVersion): $state"
