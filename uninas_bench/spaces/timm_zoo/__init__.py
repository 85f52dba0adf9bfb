"""The space `timm_zoo`: published networks of several families."""
