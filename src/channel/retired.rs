//! Addresses that take nothing of what is sent to them: of Teams that have been retired, and those of another channel, which
//! may answer as if they did. Pure.

use url::Url;

use crate::notification::Channel;

/// What is wrong with an address, and what to put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// What.
    pub what: String,
    /// What to do instead.
    pub hint: &'static str,
}

const CONNECTOR_HINT: &str = "in Teams choose Workflows, \"Send webhook alerts to a channel\", and put the address that it \
                              shows here as `teams:`";
const WORKFLOW_HINT: &str = "open the flow in Power Automate, copy the address that its trigger shows now \
                             (…environment.api.powerplatform.com…), and put it here";

const SLACK_HINT: &str = "write `slack:` before it";
const TEAMS_HINT: &str = "write `teams:` before it";

/// Whether `url` is one of them. The host is named and nothing else: the rest of a URL is secret.
///
/// Azure's own Logic Apps still live on `*.logic.azure.com`: only where the channel is Teams an address there is one of a
/// Workflow, and these have moved.
pub fn retired(channel: Channel, url: &Url) -> Option<Retired> {
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    let is_office = matches!(host.as_str(), "outlook.office.com" | "outlook.office365.com");
    let is_connector = host.ends_with(".webhook.office.com")
        || host == "webhook.office.com"
        || is_office && url.path().to_ascii_lowercase().starts_with("/webhook");
    if is_connector {
        return Some(Retired {
            what: format!("Microsoft has retired the Office 365 connectors: what is sent to `{host}` reaches nobody"),
            hint: CONNECTOR_HINT,
        });
    }
    let is_slack = matches!(host.as_str(), "hooks.slack.com" | "hooks.slack-gov.com");
    if is_slack && channel != Channel::Slack {
        return Some(Retired {
            what: format!("`{host}` is Slack's, and understands nothing but what is sent to it as such"),
            hint: SLACK_HINT,
        });
    }
    if host.ends_with(".api.powerplatform.com") && channel == Channel::Slack {
        return Some(Retired {
            what: format!(
                "`{host}` is not Slack's: it is an address of a Workflow, which may take a message and show nothing"
            ),
            hint: TEAMS_HINT,
        });
    }
    let is_old_workflow = channel == Channel::Teams && host.ends_with(".logic.azure.com");
    is_old_workflow.then(|| Retired {
        what: format!("Workflows have moved away from `*.logic.azure.com`: what is sent to `{host}` may reach nobody"),
        hint: WORKFLOW_HINT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(channel: Channel, url: &str) -> Option<Retired> {
        retired(channel, &Url::parse(url).expect("a URL"))
    }

    #[test]
    fn an_address_of_another_channel_is_known_by_its_host() {
        let (slack, flow) = (
            "https://hooks.slack.com/services/hunter2",
            "https://default.22.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/hunter2",
        );
        for (channel, url, is_wrong) in [
            (Channel::Slack, slack, false),
            (Channel::Teams, slack, true),
            (Channel::Webhook, slack, true),
            (Channel::Teams, flow, false),
            (Channel::Webhook, flow, false),
            (Channel::Slack, flow, true),
        ] {
            let found = of(channel, url);
            assert_eq!(found.is_some(), is_wrong, "{channel:?} {url}");
            assert!(found.is_none_or(|found| !found.what.contains("hunter2")));
        }
    }

    #[test]
    fn connectors_and_old_workflows_are_known_by_their_hosts() {
        for old in [
            "https://contoso.webhook.office.com/webhookb2/hunter2@hunter2/IncomingWebhook/hunter2/hunter2",
            "https://CONTOSO.Webhook.Office.COM./webhookb2/hunter2",
            "https://outlook.office.com/webhook/hunter2/IncomingWebhook/hunter2",
            "https://outlook.office365.com/webhook/hunter2",
            "https://prod-01.westeurope.logic.azure.com:443/workflows/hunter2/triggers/manual/paths/invoke?sig=hunter2",
        ] {
            let found = of(Channel::Teams, old).unwrap_or_else(|| panic!("{old}"));
            assert!(!found.what.contains("hunter2"), "{found:?}");
        }
        assert!(of(Channel::Webhook, "https://contoso.webhook.office.com/webhookb2/x").is_some());
        assert!(of(Channel::Slack, "https://outlook.office.com/webhook/x").is_some());
    }

    #[test]
    fn logic_apps_and_today_s_workflows_are_fine() {
        for (channel, fine) in [
            (
                Channel::Webhook,
                "https://prod-01.westeurope.logic.azure.com/workflows/0/triggers/manual/paths/invoke",
            ),
            (
                Channel::Teams,
                "https://default0.12.environment.api.powerplatform.com:443/powerautomate/automations/x",
            ),
            (Channel::Teams, "https://outlook.office.com/mail/"),
            (Channel::Teams, "https://logic.azure.com.contoso.example/x"),
            (Channel::Teams, "https://notwebhook.office.com/x"),
        ] {
            assert_eq!(of(channel, fine), None, "{fine}");
        }
    }
}
